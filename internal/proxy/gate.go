package proxy

import (
	"context"
	"math"
	"sync"
	"time"
)

// A gate decides when the chunks of one direction pass. All connections of a
// proxy share it.
type gate struct {
	mu      sync.Mutex // guards what follows
	frozen  bool
	delay   time.Duration
	changed chan struct{} // closed and replaced when one of them changes
}

func newGate() gate { return gate{changed: make(chan struct{})} }

// set changes the gate and wakes all who wait at it.
func (g *gate) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	close(g.changed)
	g.changed = make(chan struct{})
}

// pass waits until what was read at the given time may go on. It reports
// false when ctx ends first.
func (g *gate) pass(ctx context.Context, read time.Time) bool {
	for ctx.Err() == nil {
		wait, changed := g.wait(read)
		if wait <= 0 {
			return true
		}
		select {
		case <-time.After(wait):
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// wait returns how long what was read at the given time has to wait, unless
// the gate changes before.
func (g *gate) wait(read time.Time) (wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.frozen {
		return math.MaxInt64, g.changed
	}
	return time.Until(read.Add(g.delay)), g.changed
}
