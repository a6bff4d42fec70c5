package tiered

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// A loadQueue bounds the loads of one cache, and those that wait to begin. It
// is the cache's own: were it the Redis', a loader that asks another cache
// could wait for a slot that is given back only when it has been answered.
type loadQueue struct {
	slots   *semaphore.Weighted // first come, first served
	waiting atomic.Int64
	room    int64
}

func newLoadQueue(loads, waiting int) loadQueue {
	return loadQueue{slots: semaphore.NewWeighted(int64(loads)), room: int64(waiting)}
}

// enter waits for a slot until ctx ends. It returns ErrOverloaded at once when
// too many wait already.
func (q *loadQueue) enter(ctx context.Context) error {
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.room {
		return ErrOverloaded
	}
	if err := q.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("%w: %w", ErrOverloaded, err)
	}
	return nil
}

// tryEnter takes a slot if one is free and nobody waits for it.
func (q *loadQueue) tryEnter() bool { return q.slots.TryAcquire(1) }

func (q *loadQueue) leave() { q.slots.Release(1) }

// admit gets f what it needs before it may load: a slot, and no failure of a
// moment ago. It comes before the fill lease, for a node whose loads wait in
// line must not keep the others from loading. After a wait in line what Redis
// said may have changed, which the lease will find out. queued reports whether
// there was such a wait.
func (f *flight[K, V]) admit() (queued bool, err error) {
	c := f.cache
	if f.slot {
		return false, nil
	}
	if err := f.damped(); err != nil {
		c.counters.damped.Add(1)
		return false, err
	}
	queued, err = c.turn()
	switch {
	case err == nil:
		f.slot = true
		f.loadBy = time.Now().Add(c.opts.LoadTimeout)
	case c.ctx.Err() == nil:
		c.counters.overloaded.Add(1)
	}
	return queued, err
}

// turn waits for a slot among the loads, for no longer than LoadTimeout. The
// load has the whole of that all the same: were loads to begin with too little
// of it, they would all be cut off, and the source would work for nothing
// (TestMaxLoads).
func (c *Cache[K, V]) turn() (queued bool, err error) {
	if c.loads.tryEnter() {
		return false, nil
	}
	line, cancel := context.WithTimeout(c.ctx, c.opts.LoadTimeout)
	defer cancel()
	err = c.loads.enter(line)
	if err != nil && c.ctx.Err() != nil {
		err = ErrClosed
	}
	return true, err
}

// admitNow is admit for a load that can be done without.
func (f *flight[K, V]) admitNow() bool {
	f.loadBy = time.Now().Add(f.cache.opts.LoadTimeout)
	f.slot = f.damped() == nil && f.cache.loads.tryEnter()
	return f.slot
}

// stepBack gives up the slot of a load that was not begun. (That of one that
// was is given back when the loader returns: whether anyone waits for it or
// not, till then it is a burden to the source.)
func (f *flight[K, V]) stepBack() {
	if f.slot {
		f.slot = false
		f.cache.loads.leave()
	}
}
