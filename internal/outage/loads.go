//go:build unix

package outage

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"leadcache/tiered"
)

// A load function is a loader of versions.
type load = tiered.LoaderFunc[int, int64]

// loads has what a node has loaded.
type loads struct {
	clock clock
	last  []atomic.Pointer[span] // by key

	mu    sync.Mutex // guards began
	began []time.Duration
}

// timed is do, of which l takes note.
func (l *loads) timed(do load) load {
	return func(ctx context.Context, key int) (int64, error) {
		start := l.clock.now()
		l.mu.Lock()
		l.began = append(l.began, start)
		l.mu.Unlock()
		version, err := do(ctx, key)
		l.last[key].Store(&span{start, l.clock.now()})
		return version, err
	}
}

// beside returns how much of a read of key its load does not account for.
func (l *loads) beside(key int, read span) time.Duration {
	if own := l.last[key].Load(); own != nil {
		return read.length() - read.overlap(*own)
	}
	return read.length()
}

// firstMoments returns how long after a fault a node may load keys for another
// reason than that MaxStale has passed: its lease lapses after that time, and a
// silent connection is given up within two seconds. Loading takes a while too.
func firstMoments(maxStale time.Duration) time.Duration {
	return max(maxStale, 2*time.Second) + 500*time.Millisecond
}

// A peak is the most loads that began within one MaxStale.
type peak struct{ first, later int } // in the first moments, and later

// peakOf returns the peak of a phase. began is in order.
func peakOf(began []time.Duration, s span, maxStale time.Duration) (p peak) {
	began = slices.DeleteFunc(slices.Clone(began), func(t time.Duration) bool { return !s.has(t) })
	end := 0
	for i, t := range began {
		for end < len(began) && began[end] < t+maxStale {
			end++
		}
		if t < s.start+firstMoments(maxStale) {
			p.first = max(p.first, end-i)
		} else {
			p.later = max(p.later, end-i)
		}
	}
	return p
}
