package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Kind says which promise was broken.
type Kind string

// The kinds of violations.
const (
	Stale        Kind = "stale"         // older than an acknowledged invalidation and the bound allow
	OwnWrite     Kind = "own write"     // older than what the same node has invalidated
	NeverWritten Kind = "never written" // no value of that key, or from the future
	NotAtomic    Kind = "not atomic"    // the reads without staleness fit no order of the writes
	SeveralLeads Kind = "several leads" // a phone number has more than one row
	AnotherLead  Kind = "another lead"  // an answer is not what the database has
	NoVerdict    Kind = "no verdict"    // the search for such an order took too long
)

// A Violation is one broken promise.
type Violation struct {
	Kind Kind
	Key  string // or a phone number
	Read Read   // zero unless a read broke it
	Want int64  // the oldest version that was allowed
	By   Time   // since when
}

func (v Violation) String() string {
	if v.Read.Start == 0 {
		return fmt.Sprintf("%s: %s", v.Kind, v.Key)
	}
	return fmt.Sprintf("%s: node %d read version %d of %s, want %d at least since %v before",
		v.Kind, v.Read.Node, v.Read.Version, v.Key, v.Want, time.Duration(v.Read.Start-v.By).Round(time.Microsecond))
}

// A Report says what a history shows.
type Report struct {
	Violations []Violation

	// Staleness has, for each read, how long before its start the oldest
	// invalidation was acknowledged that it did not heed; 0: it heeded all.
	// In ascending order.
	Staleness []time.Duration

	// PendingMax is the longest time from the return of an Invalidate to its
	// acknowledgement.
	PendingMax time.Duration
}

// Check judges a history.
func Check(h *History) *Report {
	r := &Report{Staleness: make([]time.Duration, 0, len(h.Reads))}
	keys := ledgers(h)
	for _, read := range h.Reads {
		r.checkRead(keys[read.Key], read)
	}
	slices.Sort(r.Staleness)
	for _, w := range h.Writes {
		if w.Returned != 0 && w.Acked > w.Returned {
			r.PendingMax = max(r.PendingMax, time.Duration(w.Acked-w.Returned))
		}
	}
	r.checkOrder(h)
	r.checkLeads(h)
	return r
}

func (r *Report) checkRead(l *ledger, read Read) {
	if l == nil {
		l = new(ledger)
	}
	version := l.versionOf(read)
	r.Staleness = append(r.Staleness, l.staleness(version, read.Start))
	broken := func(kind Kind, want floor) {
		r.Violations = append(r.Violations, Violation{Kind: kind, Key: read.Key, Read: read, Want: want.version, By: want.since})
	}
	if version < 0 || version > l.final || l.starts[version] > read.End {
		broken(NeverWritten, floor{})
		return
	}
	if want := l.acked.at(read.Start - Time(read.Bound)); version < want.version {
		broken(Stale, want)
	}
	if want := l.own[read.Node].at(read.Start); version < want.version {
		broken(OwnWrite, want)
	}
}

// A ledger is what is known of the writes of one key.
type ledger struct {
	final  int64
	starts map[int64]Time // by version
	acked  floors
	own    map[int]floors // by node
}

func ledgers(h *History) map[string]*ledger {
	keys := make(map[string]*ledger)
	for key, final := range h.Final {
		keys[key] = &ledger{final: final, starts: make(map[int64]Time), own: make(map[int]floors)}
	}
	for _, w := range h.Writes {
		l := keys[w.Key]
		if l == nil {
			continue // what is not in the database is never written
		}
		l.starts[w.Version] = w.Start
		if w.Acked != 0 {
			l.acked = append(l.acked, floor{w.Version, w.Acked})
		}
		if w.Returned != 0 && w.Node != Foreign {
			l.own[w.Node] = append(l.own[w.Node], floor{w.Version, w.Returned})
		}
	}
	for _, l := range keys {
		l.acked = l.acked.rising()
		for node, own := range l.own {
			l.own[node] = own.rising()
		}
	}
	return keys
}

// versionOf returns the version that a read saw. Of the versions at which its
// key was absent it is the newest that can have been there by then.
func (l *ledger) versionOf(read Read) int64 {
	if read.Version != 0 {
		if Absent(read.Version) {
			return Garbage // there is no value of that version
		}
		return read.Version
	}
	for v := l.final; v > 0; v-- {
		if Absent(v) && l.starts[v] <= read.End {
			return v
		}
	}
	return Garbage
}

// staleness returns for how long, at a time, a version had been known to be old.
func (l *ledger) staleness(version int64, at Time) time.Duration {
	// Floors rise: the first above version is the oldest that it misses.
	i, _ := slices.BinarySearchFunc(l.acked, version+1, func(f floor, v int64) int { return cmp.Compare(f.version, v) })
	if i == len(l.acked) {
		return 0
	}
	return max(0, time.Duration(at-l.acked[i].since))
}

// A floor says that since a time no version below this one is right.
type floor struct {
	version int64
	since   Time
}

// floors rise in both version and time.
type floors []floor

// rising sorts floors by time and removes those that come after a higher one.
func (fs floors) rising() floors {
	slices.SortFunc(fs, func(a, b floor) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(b.version, a.version))
	})
	rising := fs[:0]
	for _, f := range fs {
		if len(rising) == 0 || f.version > rising[len(rising)-1].version {
			rising = append(rising, f)
		}
	}
	return rising
}

// at returns the floor before a time: one that begins at that very time does
// not count yet.
func (fs floors) at(t Time) floor {
	i, _ := slices.BinarySearchFunc(fs, t, func(f floor, t Time) int { return cmp.Compare(f.since, t) })
	if i == 0 {
		return floor{}
	}
	return fs[i-1]
}

// checkLeads compares the answers with the rows.
func (r *Report) checkLeads(h *History) {
	rows := make(map[string]string)
	for _, row := range h.Rows {
		if _, taken := rows[row.Phone]; taken {
			r.Violations = append(r.Violations, Violation{Kind: SeveralLeads, Key: row.Phone})
		}
		rows[row.Phone] = row.ID
	}
	for _, lead := range h.Leads {
		if rows[lead.Phone] != lead.ID {
			r.Violations = append(r.Violations, Violation{Kind: AnotherLead, Key: lead.Phone})
		}
	}
}
