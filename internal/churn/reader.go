//go:build unix

package churn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

// driftTime is how long the window takes to move by its own length.
const driftTime = 100 * time.Second

// impatience is how long callers wait who leave early: as long as some reads
// take that ask Redis.
const impatience = 100 * time.Microsecond

// counts are what the readers have done.
type counts struct {
	reads, absent, invalidated, tagged, left, pending atomic.Uint64

	mu       sync.Mutex // guards the rest
	failures int
	first    error
}

// failed counts what should not have happened.
func (c *counts) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures++; c.failures == 1 {
		c.first = err
	}
}

// A reader reads from one node, and invalidates there.
type reader struct {
	node   *node
	keys   int
	began  time.Time
	gate   *sync.RWMutex // held while samples are taken
	counts *counts
}

func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.gate.RLock()
		r.step(ctx)
		r.gate.RUnlock()
	}
}

// key draws one of the window, the newest more often than others.
func (r *reader) key() int {
	newest := r.keys + int(float64(r.keys)*time.Since(r.began).Seconds()/driftTime.Seconds())
	x := rand.Float64()
	return newest - int(float64(r.keys)*x*x*x)
}

// step does one thing, a read for the most part.
func (r *reader) step(ctx context.Context) {
	key := r.key()
	switch n := rand.N(1000); {
	case n < 850:
		v, err := r.node.leads.Get(ctx, key)
		r.check(ctx, key, v, err)
	case n < 950:
		key = rand.N(briefKeys)
		v, err := r.node.brief.Get(ctx, key)
		r.check(ctx, key, v, err)
	case n < 955:
		v, err := r.node.leads.GetWithin(ctx, key, 0)
		r.check(ctx, key, v, err)
	case n < 970:
		r.leave(ctx, key)
	case n < 999:
		r.counts.invalidated.Add(1)
		r.acknowledged(ctx, r.node.leads.Invalidate(ctx, key))
	default:
		r.counts.tagged.Add(1)
		r.acknowledged(ctx, r.node.redis.Invalidate(ctx, tiered.Tagged(tag(key))))
	}
}

// leave asks and does not wait for long.
func (r *reader) leave(ctx context.Context, key int) {
	limited, cancel := context.WithTimeout(ctx, impatience)
	defer cancel()
	v, err := r.node.leads.Get(limited, key)
	if errors.Is(err, context.DeadlineExceeded) {
		r.counts.left.Add(1)
		return
	}
	r.check(ctx, key, v, err)
}

// check holds an answer against the source.
func (r *reader) check(ctx context.Context, key int, v leadsvc.Lead, err error) {
	r.counts.reads.Add(1)
	switch {
	case ctx.Err() != nil:
	case absent(key):
		r.counts.absent.Add(1)
		if !errors.Is(err, tiered.ErrNotFound) {
			r.counts.failed(fmt.Errorf("a lead that there is not, and the error %w", err))
		}
	case err != nil:
		r.counts.failed(err)
	case v.ID != strconv.Itoa(key) || v.OrganizationID != tag(key):
		r.counts.failed(errors.New("another lead"))
	}
}

// acknowledged checks what an invalidation returned. While a connection is
// lost it is pending.
func (r *reader) acknowledged(ctx context.Context, err error) {
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, tiered.ErrPending):
		r.counts.pending.Add(1)
	default:
		r.counts.failed(err)
	}
}
