//go:build unix

package load

import (
	"fmt"
	"time"
)

// A Verdict says what became of a promise.
type Verdict int

// The verdicts, the worst last.
const (
	Kept Verdict = iota
	Unclear
	FallsShort
)

func (v Verdict) String() string {
	return [...]string{"ok", "UNCLEAR, the customers or the machine were too slow", "FALLS SHORT"}[v]
}

// A Check is a promise, of the server or of the measurement, and what became of
// it.
type Check struct {
	Verdict
	Promise string
	Seen    string // without the cache, with it
}

const (
	// enough is the share of the texts asked for that makes a rate reached. What
	// is missing was due just before the end.
	enough = 0.97
	// tooLate is how late customers may be by themselves: far below the time
	// between two of their texts. Arbitrary.
	tooLate = 100 * time.Millisecond
	// mostLocal is the share of look-ups that a warm local tier answers at
	// least: all but those of entries that were evicted because the shards have
	// not the same number, and those during which the freshness lease had ended,
	// which happens where too many want the processors: less is no figure of a
	// warm cache.
	mostLocal = 0.95
	// profiledLeast and profiledMost bound how much of the processor time a
	// profile has. It takes samples at ticks of the kernel's clock, and one
	// for several that a busy machine has let pass: two thirds are usual there.
	profiledLeast, profiledMost = 0.5, 1.2
)

// Checks holds the figures against the promises.
func (r *Result) Checks() []Check {
	both := func(promise string, seen func(Figures) string, short Verdict, kept func(Figures) bool) Check {
		c := Check{Promise: promise, Seen: seen(r.Without) + ", " + seen(r.With)}
		c.Verdict = unless(kept(r.Without) && kept(r.With), short)
		return c
	}
	late := both("customers were not late by themselves, p99 up to "+milliseconds(tooLate),
		func(f Figures) string { return milliseconds(percentile(f.late, 99)) },
		Unclear, func(f Figures) bool { return percentile(f.late, 99) <= tooLate })
	short := FallsShort // the server's doing, unless the customers were slow
	if late.Verdict != Kept {
		short = Unclear
	}
	return []Check{
		both("no text came to nothing", Figures.failures, FallsShort, func(f Figures) bool { return f.errors == 0 }),
		both("every text is stored, once", func(f Figures) string { return fmt.Sprintf("%d of %d", f.stored, f.sent) },
			FallsShort, func(f Figures) bool { return f.stored == f.sent }),
		late,
		both(fmt.Sprintf("%.0f texts a second were answered", r.config.rate()),
			func(f Figures) string { return fmt.Sprintf("%.1f", f.rate()) },
			short, func(f Figures) bool { return f.rate() >= enough*r.config.rate() }),
		{
			Promise: "without the cache nothing is remembered",
			Seen:    fmt.Sprintf("%d of %d look-ups were", r.Without.Local+r.Without.Redis, r.Without.Gets),
			Verdict: unless(r.Without.Local+r.Without.Redis == 0, FallsShort),
		},
		{
			Promise: fmt.Sprintf("with it %.0f %% of look-ups are local hits", 100*mostLocal),
			Seen:    percent(r.With.local()),
			Verdict: unless(r.With.local() >= mostLocal, Unclear),
		},
		both("the profile has the server's processor time", func(f Figures) string { return percent(f.profiled()) },
			Unclear, func(f Figures) bool { return profiledLeast <= f.profiled() && f.profiled() <= profiledMost }),
	}
}

// unless returns short if the promise was not kept.
func unless(kept bool, short Verdict) Verdict {
	if kept {
		return Kept
	}
	return short
}

// failures counts them, with the first for all.
func (f Figures) failures() string {
	if f.firstErr != nil {
		return fmt.Sprintf("%d (%v)", f.errors, f.firstErr)
	}
	return fmt.Sprint(f.errors)
}

// Verdict returns the worst of all checks.
func (r *Result) Verdict() Verdict {
	worst := Kept
	for _, c := range r.Checks() {
		worst = max(worst, c.Verdict)
	}
	return worst
}
