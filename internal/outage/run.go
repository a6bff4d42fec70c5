//go:build unix

package outage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"leadcache/internal/pause"
)

// Run starts servers and nodes, takes Redis away in every way in turn, stops
// everything, and returns what was seen. Promises that were broken are part of
// the [Result]; an error means that there is none: ctx has ended, a server
// could not be started, or a field of c is out of range.
func Run(ctx context.Context, c Config) (*Result, error) {
	result, err := runRounds(ctx, c, rounds)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return result, err
}

func runRounds(ctx context.Context, c Config, rounds []round) (_ *Result, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	r := &run{config: c, clock: clock{time.Now()}}
	if r.stage, err = openStage(ctx, c); err != nil {
		return nil, err
	}
	defer r.stage.close()
	r.fleet, err = startFleet(r.stage, c, r.clock)
	defer r.fleet.close()
	if err != nil {
		return nil, err
	}
	if err := r.fleet.ready(ctx); err != nil {
		return nil, err
	}
	r.staff()
	phases, err := r.work(ctx, rounds)
	if err != nil {
		return nil, err
	}
	r.fleet.close() // loads outlive the readers who began them
	return r.result(phases), nil
}

// A run is what goes on during one.
type run struct {
	config  Config
	clock   clock
	stage   *stage
	fleet   *fleet
	readers []*reader
	writer  *writer
}

// staff makes the readers and the writer.
func (r *run) staff() {
	w := &writes{maxStale: r.config.MaxStale, latest: make([]atomic.Pointer[write], r.config.Keys)}
	r.writer = &writer{stage: r.stage, fleet: r.fleet, clock: r.clock, writes: w}
	for i := range r.config.Readers {
		r.readers = append(r.readers, &reader{id: i, node: i % r.config.Nodes, fleet: r.fleet, clock: r.clock, writes: w})
	}
}

// work lets all work while the steps are taken, and returns when all have
// ended.
func (r *run) work(ctx context.Context, rounds []round) ([]phase, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	for _, reader := range r.readers {
		wg.Go(func() { reader.run(ctx) })
	}
	wg.Go(func() {
		if err := r.writer.run(ctx); err != nil {
			cancel(err)
		}
	})
	pause.For(ctx, r.config.Phase/2) // until everything is where it is read
	return take(rounds, func(s step) (phase, error) { return r.pass(ctx, s) })
}

// pass takes a step and lets its phase pass.
func (r *run) pass(ctx context.Context, s step) (phase, error) {
	p := phase{step: s}
	before, hits := r.count(), r.fleet.hits()
	p.start = r.clock.now()
	if err := s.take(ctx, r.stage); err != nil {
		return p, err
	}
	taken := r.clock.now()
	limited, cancel := context.WithTimeout(ctx, r.config.Phase)
	defer cancel()
	if s.state == back {
		r.fleet.waitForHits(limited, hits)
		p.recovery = r.clock.now() - taken
	}
	<-limited.Done()
	p.end = r.clock.now()
	p.counts = r.count().since(before)
	p.busy = r.pauses().busy(p.span, r.config.Limit)
	return p, context.Cause(ctx)
}

// pauses returns those of all readers.
func (r *run) pauses() (all pauses) {
	for _, reader := range r.readers {
		all = append(all, reader.pauses.all())
	}
	return all
}

// counts are what has happened so far, or in a phase.
type counts struct{ gets, localHits, redisHits, loads, queries, errors, old uint64 }

func (r *run) count() (c counts) {
	for _, n := range r.fleet.nodes {
		st := n.cache.Stats()
		c.localHits += st.LocalHits
		c.redisHits += st.RedisHits
		c.loads += st.Loads
	}
	for _, reader := range r.readers {
		c.gets += reader.gets.Load()
		c.errors += reader.errors.Load()
		c.old += reader.old.Load()
	}
	c.queries = r.stage.queries.n.Load()
	c.errors += r.writer.errors.Load()
	return c
}

func (c counts) since(o counts) counts {
	return counts{
		gets: c.gets - o.gets, localHits: c.localHits - o.localHits, redisHits: c.redisHits - o.redisHits,
		loads: c.loads - o.loads, queries: c.queries - o.queries, errors: c.errors - o.errors, old: c.old - o.old,
	}
}
