//go:build unix

package chaos

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"leadcache/internal/chaos/history"
)

// A Result is what a run has shown.
type Result struct {
	*history.Report
	Reads, Failed, Writes, Faults int

	config  Config
	nemesis *nemesis
	history *history.History
	origin  history.Time
}

func newResult(c Config, n *nemesis, r *recorder, origin history.Time) *Result {
	return &Result{
		Report: history.Check(&r.history),
		Reads:  len(r.history.Reads), Failed: r.failed, Writes: len(r.history.Writes), Faults: len(n.log),
		config: c, nemesis: n, history: &r.history, origin: origin,
	}
}

// String is the one line that sums up.
func (r *Result) String() string {
	return fmt.Sprintf("reads=%d writes=%d faults=%d violations=%d staleness_ms p50=%s p99=%s max=%s pending_max_ms=%s",
		r.Reads, r.Writes, r.Faults, len(r.Violations), milliseconds(r.percentile(50)), milliseconds(r.percentile(99)),
		milliseconds(r.percentile(100)), milliseconds(r.PendingMax))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

func (r *Result) percentile(p int) time.Duration {
	if len(r.Staleness) == 0 {
		return 0
	}
	return r.Staleness[(len(r.Staleness)-1)*p/100]
}

// shownViolations bounds the histories that are printed: the first are the ones
// to look into.
const shownViolations = 3

// Explain writes how the first violations came about.
func (r *Result) Explain(w io.Writer) {
	count := make(map[history.Kind]int)
	for _, v := range r.Violations {
		count[v.Kind]++
	}
	slices.SortStableFunc(r.Violations, func(a, b history.Violation) int { return cmp.Compare(a.Read.Start, b.Read.Start) })
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(w, "%d × %s\n", count[kind], kind)
	}
	fmt.Fprintf(w, "seed %d, plan %s, %d nodes\n", r.config.Seed, r.config.Plan, r.config.Nodes)
	for _, v := range r.Violations[:min(shownViolations, len(r.Violations))] {
		fmt.Fprintln(w)
		history.Show(w, r.history, v, r.origin)
		for _, f := range r.nemesis.around(v.Read.Start) {
			fmt.Fprintf(w, "  fault %s from %v to %v\n", f.name,
				time.Duration(f.start-r.origin).Round(time.Millisecond), time.Duration(f.end-r.origin).Round(time.Millisecond))
		}
	}
}
