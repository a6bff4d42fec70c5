//go:build unix

package outage

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// slack is what a wait may be longer than the time limit, and what is no wait.
const slack = 10 * time.Millisecond

// A wait is a read that took notably longer than what it did besides waiting:
// its own load, or its rest.
type wait struct {
	node, reader int
	read         span
	took         time.Duration // of it, spent waiting
}

// notable is how long a wait is at least to be noted.
const notable = 2 * time.Millisecond

// notes are waits of one reader, in order.
type notes struct {
	mu    sync.Mutex // guards waits
	waits []wait
}

func (n *notes) add(w wait) {
	if w.took < notable {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits = append(n.waits, w)
}

// all returns the waits so far, which must not be modified.
func (n *notes) all() []wait {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waits
}

// pauses has, of each reader in order, what its reads without Redis waited.
// Only this process and the machine can have held those up.
type pauses [][]wait

// during returns for how long the reader that was held up most was held up
// during s.
func (p pauses) during(s span) (most time.Duration) {
	for _, list := range p {
		var sum time.Duration
		i, _ := slices.BinarySearchFunc(list, s.start, func(w wait, t time.Duration) int { return cmp.Compare(w.read.end, t) })
		for ; i < len(list) && list[i].read.start < s.end; i++ {
			sum += min(list[i].took, list[i].read.overlap(s))
		}
		most = max(most, sum)
	}
	return most
}

// busy returns in which share of s a wait of the given length would hide
// behind a pause.
func (p pauses) busy(s span, length time.Duration) float64 {
	var all, hidden int
	for t := s.start; t+length <= s.end; t += length {
		all++
		if p.during(span{t, t + length}) >= length-slack {
			hidden++
		}
	}
	return float64(hidden) / float64(max(1, all))
}

// A delay sums up what was added to the reads of a phase.
type delay struct {
	once   time.Duration // the longest of the waits that are one for each reader
	again  time.Duration // the longest of the others
	others int           // how many others there were
}

// added returns what was added to the reads that ended during s. Pauses are
// deducted; what remains is no wait if it is no longer than slack.
//
// Each reader may wait once, for up to limit: until a node's first such read
// has ended, it cannot know better, and those that had begun by then end
// within limit. Whoever begins later waits again.
func added(waits []wait, p pauses, s span, limit time.Duration) (d delay) {
	waits = slices.DeleteFunc(slices.Clone(waits), func(w wait) bool { return !s.has(w.read.end) || w.took <= slack })
	slices.SortFunc(waits, func(a, b wait) int { return cmp.Compare(a.read.end, b.read.end) })
	known := make(map[int]time.Duration) // from when on a node does know better
	waited := make(map[int]bool)         // which readers did
	for _, w := range waits {
		w.took -= p.during(w.read)
		if w.took <= slack {
			continue
		}
		if _, ok := known[w.node]; !ok {
			known[w.node] = w.read.end + limit + slack
		}
		if waited[w.reader] || w.read.start > known[w.node] {
			d.others++
			d.again = max(d.again, w.took)
		} else {
			d.once = max(d.once, w.took)
		}
		waited[w.reader] = true
	}
	return d
}

// longest returns the longest pause that ended during s.
func (p pauses) longest(s span) (longest time.Duration) {
	for _, list := range p {
		for _, w := range list {
			if s.has(w.read.end) {
				longest = max(longest, w.took)
			}
		}
	}
	return longest
}
