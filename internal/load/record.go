//go:build unix

package load

import (
	"slices"
	"sync"
	"time"
)

// A record has what customers saw. What they see before open and after shut is
// no part of it, but for what failed.
type record struct {
	mu        sync.Mutex // guards the rest
	measures  bool
	latencies []time.Duration
	late      []time.Duration
	errors    int
	firstErr  error
}

func (r *record) open() { r.set(true) }
func (r *record) shut() { r.set(false) }

func (r *record) set(measures bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measures = measures
}

// answered counts a text, its latency, and how late it was sent by no fault of
// the server.
func (r *record) answered(latency, late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.measures {
		r.latencies = append(r.latencies, latency)
		r.late = append(r.late, late)
	}
}

// failed counts a text, or a connection, that came to nothing.
func (r *record) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errors++; r.errors == 1 {
		r.firstErr = err
	}
}

// percentile returns the least of what p of 100 do not exceed; 0 of none.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)*p+99)/100-1]
}
