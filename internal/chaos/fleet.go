//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"leadcache/internal/chaos/node"
	"leadcache/internal/pause"
)

// A fleet is the nodes that run. Only the nemesis' lane for nodes, and what
// comes after it, uses the children.
type fleet struct {
	stage    *stage
	plan     plan
	config   Config
	stderr   io.Writer
	recorder *recorder
	keys     []node.Key
	children []*child
	started  int // nodes, those that were killed among them
}

// startFleet starts the nodes, and their work.
func startFleet(ctx context.Context, s *stage, c Config, p plan, r *recorder, stderr io.Writer) (*fleet, error) {
	f := &fleet{stage: s, plan: p, config: c, recorder: r, stderr: stderr, keys: p.keys()}
	for i := range c.Nodes {
		n, err := f.start(ctx, i)
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		f.children = append(f.children, n)
	}
	if err := f.each(func(n *child) error { return n.order(ctx, node.Start) }); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// start starts a node in the place of that index.
func (f *fleet) start(ctx context.Context, i int) (*child, error) {
	f.started++
	return startChild(ctx, node.Config{
		ID:          f.started,
		RedisURL:    f.stage.redisURL(i, f.plan.Untracked),
		Prefix:      prefix,
		DatabaseURL: f.stage.nodeDatabaseURL,
		MaxStale:    f.config.MaxStale,
		Seed:        f.config.Seed,
		Keys:        f.keys,
		Load:        f.plan.Load,
	}, f.config.Break, f.stderr, f.recorder.observe)
}

// replace kills a node and starts another in its place after a while.
func (f *fleet) replace(ctx context.Context, i int, meanwhile func()) error {
	if err := f.children[i].kill(); err != nil {
		return fmt.Errorf("node %d ended by itself: %w", f.children[i].id, err)
	}
	meanwhile()
	n, err := f.start(ctx, i)
	if err != nil {
		return err
	}
	f.children[i] = n
	return n.order(ctx, node.Start)
}

// each does the same with all nodes at once.
func (f *fleet) each(do func(*child) error) error {
	errs := make([]error, len(f.children))
	var wg sync.WaitGroup
	for i, n := range f.children {
		wg.Go(func() { errs[i] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// conclude ends the work of all nodes, waits until nothing is pending, and
// lets all read every key once more.
func (f *fleet) conclude(ctx context.Context) error {
	if err := f.each(func(n *child) error { return n.order(ctx, node.Quiet) }); err != nil {
		return err
	}
	if err := f.each(func(n *child) error { return n.order(ctx, node.Settle) }); err != nil {
		return fmt.Errorf("the fleet does not recover: %w", err)
	}
	if !pause.For(ctx, 2*f.config.MaxStale) { // longer than any of them may be behind
		return ctx.Err()
	}
	return f.each(func(n *child) error { return n.order(ctx, node.Sweep) })
}

func (f *fleet) stop() error { return f.each((*child).stop) }
