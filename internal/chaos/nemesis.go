//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"leadcache/internal/chaos/history"
	"leadcache/internal/chaos/node"
	"leadcache/internal/pause"
)

// A nemesis lets faults happen.
type nemesis struct {
	stage *stage
	fleet *fleet
	seed  uint64

	// One lane uses the nodes' processes and lines, one Redis, one the
	// database: each fault is in one lane of a plan.
	mu   sync.Mutex // guards log
	log  []fault
	errs []error
}

// A fault is one that has happened.
type fault struct {
	name       string
	start, end history.Time
}

// run lets faults happen in all lanes until ctx ends, and returns when the
// last has been healed.
func (n *nemesis) run(ctx context.Context, lanes []lane) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i, lane := range lanes {
		random := rand.New(rand.NewPCG(n.seed, uint64(i)))
		wg.Go(func() {
			if err := n.drive(ctx, lane, random); err != nil {
				n.mu.Lock()
				n.errs = append(n.errs, err)
				n.mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(n.errs...)
}

// drive lets the faults of one lane happen.
func (n *nemesis) drive(ctx context.Context, lane lane, random *rand.Rand) error {
	for pause.For(ctx, lane.Pause/2+time.Duration(random.Int64N(int64(lane.Pause)))) {
		name := lane.Faults[random.IntN(len(lane.Faults))]
		f := fault{name: name, start: node.Now()}
		// Half of the faults are short. Drawn here, so that the schedule
		// does not depend on what a fault does.
		d := draw{node: random.IntN(len(n.fleet.children)), length: time.Duration(1+random.IntN(20)) * 50 * time.Millisecond}
		if random.IntN(4) == 0 {
			d.length *= 3
		}
		if err := faults[name](n, ctx, d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f.end = node.Now()
		n.mu.Lock()
		n.log = append(n.log, f)
		n.mu.Unlock()
	}
	return nil
}

// A draw says which node a fault is for and how long it lasts.
type draw struct {
	node   int
	length time.Duration
}

// around returns the faults at a time.
func (n *nemesis) around(t history.Time) []fault {
	near := slices.DeleteFunc(slices.Clone(n.log), func(f fault) bool {
		return t != 0 && (f.start > t || f.end < t-history.Time(3*time.Second))
	})
	slices.SortFunc(near, func(a, b fault) int { return int(a.start - b.start) })
	return near
}
