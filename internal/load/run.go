//go:build unix

package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"leadcache/internal/footprint"
	"leadcache/internal/pause"
)

// Run serves the conversations twice, without the cache and with it, stops
// everything, and returns what was seen. What falls short is part of the
// [Result]; an error means that there is none: ctx has ended, a server could not
// be started or ended by itself, a conversation did not come about, a field of c
// is out of range, or it is [ErrOpenFiles].
func Run(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := allowFiles(c.Conversations); err != nil {
		return nil, err
	}
	result, err := run(ctx, c)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return result, err
}

func run(ctx context.Context, c Config) (*Result, error) {
	s, err := openStage(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := &Result{config: c}
	if r.Without, err = measure(ctx, s, c, false); err != nil {
		return nil, fmt.Errorf("without the cache: %w", err)
	}
	if r.With, err = measure(ctx, s, c, true); err != nil {
		return nil, fmt.Errorf("with the cache: %w", err)
	}
	return r, nil
}

// measure is one of the two runs.
func measure(ctx context.Context, s *stage, c Config, cached bool) (f Figures, err error) {
	if err := s.clear(ctx); err != nil {
		return f, err
	}
	server, err := s.start(ctx, c, cached, c.Stderr)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	r, err := server.ask(ctx, takeFootprint)
	if err != nil {
		return f, err
	}
	f.before = r.Footprint
	fmt.Fprintf(c.Stderr, "load: %s: opening %d conversations\n", name(cached), c.Conversations)
	began := time.Now()
	crowd, err := gather(ctx, server.addr, c.Conversations)
	defer crowd.disperse()
	if err != nil {
		return f, err
	}
	f.opening = time.Since(began)
	fmt.Fprintf(c.Stderr, "load: %s: a text every %v from each, for %v and %v\n", name(cached), c.Every, c.Every, c.Duration)
	crowd.start(ctx, c.Every)
	profile, err := f.watch(ctx, server, crowd, c)
	crowd.rest()
	f.hear(crowd)
	if err != nil {
		return f, err
	}
	if r, err = server.ask(ctx, takeFootprint); err != nil {
		return f, err
	}
	f.after = r.Footprint
	if f.stored, err = s.messages(ctx); err != nil {
		return f, err
	}
	if c.Profiles != "" {
		if err := keep(ctx, server, profile, filepath.Join(c.Profiles, fileName(cached))); err != nil {
			return f, err
		}
	}
	f.spent, err = partsOf(profile)
	return f, err
}

// watch measures, when all customers have had their turn, and returns the
// server's profile.
func (f *Figures) watch(ctx context.Context, server *child, crowd *crowd, c Config) ([]byte, error) {
	if !pause.For(ctx, c.Every) {
		return nil, ctx.Err()
	}
	before, err := server.ask(ctx, begin)
	if err != nil {
		return nil, err
	}
	own, err := footprint.CPU()
	if err != nil {
		return nil, err
	}
	crowd.record.open()
	began := time.Now()
	pause.For(ctx, c.Duration)
	f.duration = time.Since(began)
	crowd.record.shut()
	ownAfter, err := footprint.CPU()
	if err != nil {
		return nil, err
	}
	after, err := server.ask(ctx, end)
	if err != nil {
		return nil, err
	}
	f.usage, f.ownCPU = after.Usage.since(before.Usage), ownAfter-own
	return after.Profile, nil
}

func name(cached bool) string {
	if cached {
		return "with the cache"
	}
	return "without the cache"
}

func fileName(cached bool) string {
	if cached {
		return "with"
	}
	return "without"
}

// keep writes the profiles to files whose names begin with path.
func keep(ctx context.Context, server *child, cpu []byte, path string) error {
	heap, err := server.ask(ctx, heapProfile)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path+"-cpu.pprof", cpu, 0o644), os.WriteFile(path+"-heap.pprof", heap.Profile, 0o644))
}
