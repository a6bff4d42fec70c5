//go:build unix

package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"leadcache/internal/chaos/node"
)

// A Config says what to run.
type Config struct {
	Duration time.Duration // with faults; what comes before and after is not counted
	Seed     uint64
	Nodes    int
	Plan     string        // Default: that of Break, or else "all"
	Break    string        // a guard to switch off in the nodes; empty: none
	MaxStale time.Duration // of the nodes. Default 300 milliseconds
	Stderr   io.Writer     // what nodes complain of. Default: nowhere
}

const defaultMaxStale = 300 * time.Millisecond

func (c Config) withDefaults() Config {
	c.MaxStale = cmp.Or(c.MaxStale, defaultMaxStale)
	c.Plan = cmp.Or(c.Plan, c.Break, "all")
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Nodes < 1 {
		errs = append(errs, fmt.Errorf("%d nodes, want at least 1", c.Nodes))
	}
	if c.Duration <= 0 {
		errs = append(errs, fmt.Errorf("a duration of %v, want more", c.Duration))
	}
	if _, ok := plans[c.Plan]; !ok {
		errs = append(errs, fmt.Errorf("no plan %q, want one of %v", c.Plan, slices.Sorted(maps.Keys(plans))))
	}
	if c.Break != "" && !slices.Contains(Guards, c.Break) {
		errs = append(errs, fmt.Errorf("no guard %q, want one of %v", c.Break, Guards))
	}
	if c.Break != "" && !breakable {
		errs = append(errs, errors.New("guards can be switched off in builds with the tag tiered_broken only"))
	}
	return errors.Join(errs...)
}

// Run starts a fleet, breaks things for a while, lets it recover, stops
// everything, and returns what was seen. Promises that were broken are part of
// the [Result]; an error means that there is none: ctx has ended, a server could
// not be started, a node ended by itself, or the fleet did not recover.
func Run(ctx context.Context, c Config) (_ *Result, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	p := plans[c.Plan]
	s, err := openStage(ctx, c, p)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := newRecorder()
	f, err := startFleet(ctx, s, c, p, r, c.Stderr)
	if err != nil {
		return nil, err
	}
	n := &nemesis{stage: s, fleet: f, seed: c.Seed}
	origin := node.Now()
	err = disturb(ctx, c, p, n)
	if err == nil {
		err = f.conclude(ctx)
	}
	err = errors.Join(err, f.stop())
	if err == nil {
		err = s.outcome(ctx, &r.history)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return newResult(c, n, r, origin), nil
}

// disturb returns when the faults have ended and are healed.
func disturb(ctx context.Context, c Config, p plan, n *nemesis) error {
	limited, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	if p.Foreign > 0 {
		wg.Go(func() { interfere(limited, n, p) })
	}
	if err := n.run(limited, p.Lanes); err != nil {
		cancel()
		return err
	}
	<-limited.Done()
	return ctx.Err()
}
