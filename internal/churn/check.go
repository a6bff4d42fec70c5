//go:build unix

package churn

import (
	"fmt"
	"math"
	"slices"
)

// A Check is a promise, of the cache or of the run, and whether it was kept.
type Check struct {
	Promise string
	Seen    string
	Kept    bool
}

func (c Check) verdict() string {
	if c.Kept {
		return "ok"
	}
	return "FALLS SHORT"
}

// A bound is how far the last third of a run may be from the second.
type bound struct {
	name  string
	of    func(Sample) float64
	show  func(float64) string
	share float64 // of the second third
	slack float64 // besides
	below bool    // it may be less by more than that
}

var bounds = []bound{
	// As many entries as there is room for take the same room, whichever they are.
	{"the heap is flat", func(s Sample) float64 { return float64(s.Live) }, megabytes, 0.03, 1 << 20, false},
	{"objects on the heap are flat", func(s Sample) float64 { return float64(s.Objects) }, whole, 0.03, 5000, false},
	// At rest there are those of the links, the readers, and a flight or two.
	{"goroutines are flat", func(s Sample) float64 { return float64(s.Goroutines) }, whole, 0.05, 2, false},
	// It depends on how many reads there were within a TTL, and on how much of a
	// third comes soon after FLUSHALL.
	{"the memory of Redis is bounded", func(s Sample) float64 { return float64(s.Redis) }, megabytes, 0.25, 1 << 20, true},
}

func whole(x float64) string { return fmt.Sprintf("%.0f", x) }

// check holds the last third of the samples against the second.
func (b bound) check(samples []Sample) Check {
	c := Check{Promise: fmt.Sprintf("%s, within %.0f %%", b.name, 100*b.share)}
	third := len(samples) / 3
	if third == 0 {
		c.Seen = "too few samples"
		return c
	}
	second := b.median(samples[len(samples)-2*third : len(samples)-third])
	last := b.median(samples[len(samples)-third:])
	c.Seen = fmt.Sprintf("%s, then %s", b.show(second), b.show(last))
	c.Kept = math.Abs(last-second) <= b.share*second+b.slack || b.below && last < second
	return c
}

func (b bound) median(samples []Sample) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, b.of(s))
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// Checks holds the samples against the bounds, and the run against what it is
// to be: without churn everything is flat.
func (r *Result) Checks() []Check {
	checks := []Check{r.answers()}
	for _, b := range bounds {
		checks = append(checks, b.check(r.Samples))
	}
	room := uint64(nodes * r.config.Entries)
	return append(checks,
		Check{"the local tiers were replaced by evictions", fmt.Sprintf("%.1f times", float64(r.evicted)/float64(room)), r.evicted >= room},
		Check{
			"short-lived values expired while in use", fmt.Sprintf("%.1f times", float64(r.briefLoads)/briefKeys),
			r.briefLoads >= 2*briefKeys,
		},
		Check{
			"keys and tags were invalidated, and callers left", fmt.Sprintf("%d, %d, %d", r.invalidated, r.tagged, r.left),
			r.invalidated > 0 && r.tagged > 0 && r.left > 0,
		},
		Check{"sessions ended", fmt.Sprint(r.sessions), r.sessions > 2*nodes},
	)
}

// answers says whether all answers were right.
func (r *Result) answers() Check {
	c := Check{Promise: "every answer was right", Seen: fmt.Sprintf("%d of %d were not", r.failures, r.reads), Kept: r.failures == 0 && r.reads > 0}
	if r.first != nil {
		c.Seen += fmt.Sprintf(" (%v)", r.first)
	}
	return c
}

// Kept reports whether all checks passed.
func (r *Result) Kept() bool {
	return !slices.ContainsFunc(r.Checks(), func(c Check) bool { return !c.Kept })
}
