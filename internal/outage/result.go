//go:build unix

package outage

import (
	"slices"
	"time"
)

// Figures are what one phase has shown.
type Figures struct {
	phase
	delay
	peak

	pause time.Duration // the longest of a reader, without Redis
}

// A Result is what a run has shown.
type Result struct {
	Figures []Figures // of the phases, in order
	config  Config
}

// result is called when all readers and loads have ended.
func (r *run) result(phases []phase) *Result {
	var waits []wait
	for _, reader := range r.readers {
		waits = append(waits, reader.waits.all()...)
	}
	held := r.pauses()
	var began []time.Duration
	for _, n := range r.fleet.nodes {
		began = append(began, n.loads.began...)
	}
	slices.Sort(began)
	result := &Result{config: r.config}
	for _, p := range phases {
		result.Figures = append(result.Figures, Figures{
			phase: p,
			delay: added(waits, held, p.span, r.config.Limit),
			peak:  peakOf(began, p.span, r.config.MaxStale),
			pause: held.longest(p.span),
		})
	}
	return result
}
