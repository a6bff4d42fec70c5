//go:build unix

package outage

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"leadcache/internal/pause"
	"leadcache/tiered"
)

const (
	// A reader reads so many times without a pause, or for so long, and then
	// rests: see the package's comment. Were it not for the time, nobody would
	// see how busy a machine is whose reads are slow.
	burst     = 512
	burstTime = 20 * time.Millisecond
	rest      = 4 * time.Millisecond
)

// A reader reads random keys of one node, one after another.
type reader struct {
	id, node int
	fleet    *fleet
	clock    clock
	writes   *writes

	gets, errors, old atomic.Uint64

	waits, pauses notes
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.burst(ctx, burstTime)
		r.rest(ctx)
	}
}

// burst reads without a pause, and begins none after so long.
func (r *reader) burst(ctx context.Context, length time.Duration) {
	end := r.clock.now() + length
	for left := burst; left > 0 && r.clock.now() < end && ctx.Err() == nil; {
		left -= r.locally(ctx, left)
	}
}

// locally reads until one read has gone past the local tier, of which it takes
// note, or until it has read most times. It returns how often it has read. A
// hit in the local tier waits for nothing.
func (r *reader) locally(ctx context.Context, most int) (gets int) {
	defer func() { r.gets.Add(uint64(gets)) }()
	n := r.fleet.nodes[r.node]
	traced, trace := tiered.WithTrace(ctx)
	start := r.clock.now()
	for gets < most {
		key := rand.IntN(len(n.loads.last))
		version, err := n.cache.Get(traced, key)
		read := span{start, r.clock.now()}
		if ctx.Err() != nil {
			return gets
		}
		gets++
		switch {
		case err != nil:
			r.errors.Add(1)
		case r.writes.old(key, version, start):
			r.old.Add(1)
		}
		if err != nil || trace.Source() != tiered.SourceLocal {
			r.waits.add(wait{r.node, r.id, read, n.loads.beside(key, read)})
			return gets
		}
		start = read.end
	}
	return gets
}

// rest reads once where there is no Redis.
func (r *reader) rest(ctx context.Context) {
	start := r.clock.now()
	if _, err := r.fleet.alone.cache.Get(ctx, r.id); err != nil {
		return // ctx has ended
	}
	read := span{start, r.clock.now()}
	r.pauses.add(wait{r.node, r.id, read, read.length() - rest})
}

// takeRest is the loader of what is read meanwhile.
func takeRest(ctx context.Context, _ int) (int64, error) {
	pause.For(ctx, rest)
	return 0, ctx.Err()
}
