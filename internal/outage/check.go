//go:build unix

package outage

import (
	"fmt"
	"slices"
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
	return [...]string{"ok", "UNCLEAR, the machine is busy", "FALLS SHORT"}[v]
}

// A Check is a promise and what became of it.
type Check struct {
	Verdict
	Promise string
	Worst   string // of what was seen
}

// A promise is held otherst each phase in which Redis is in one of the states.
type promise struct {
	text   string
	states []state
	busy   effect
	seen   func(Figures) finding
}

// An effect is what a busy machine does to a finding.
type effect int

const (
	nothing effect = iota
	slower         // what is too long may be the machine's doing
	blurred        // and what is there may not be seen
)

// A finding is what a phase has to do with a promise.
type finding struct {
	size   float64 // the larger the worse
	broken bool
	text   string
}

const (
	// tooBusy is the share of a phase from which on a wait may well be a pause
	// that hit no reader without Redis; hidden is that from which on one that
	// is not seen may be there all the same. Arbitrary: an idle machine has 0.
	tooBusy = 0.03
	hidden  = 0.5
)

func (p promise) verdict(f Figures) (Verdict, finding) {
	found := p.seen(f)
	switch {
	case found.broken && (p.busy == nothing || f.busy < tooBusy):
		return FallsShort, found
	case found.broken, p.busy == blurred && f.busy > hidden:
		return Unclear, found
	default:
		return Kept, found
	}
}

// check returns the worst of all phases.
func (p promise) check(all []Figures) Check {
	c := Check{Promise: p.text, Verdict: Kept, Worst: "not tried"}
	size := -1.0
	for _, f := range all {
		if !slices.Contains(p.states, f.state) || p.busy != nothing && f.repeated && f.busy >= tooBusy {
			continue
		}
		v, found := p.verdict(f)
		if v > c.Verdict || v == c.Verdict && found.size > size {
			size = found.size
			c.Verdict, c.Worst = v, fmt.Sprintf("%s (%s)", found.text, f.name)
		}
	}
	return c
}

// Checks holds the figures otherst the promises.
func (r *Result) Checks() []Check {
	var checks []Check
	for _, p := range r.config.promises() {
		checks = append(checks, p.check(r.Figures))
	}
	return checks
}
