package tiered

import (
	"context"
	"strings"
	"time"
)

// refreshPrefix comes before the key of a value, and after
// RedisOptions.Prefix, in the key under which one node keeps the others from
// refreshing it too.
const refreshPrefix = reserved + "refresh:"

func (r *Redis) refreshPlace(at place) place {
	return place{key: r.opts.Prefix + refreshPrefix + strings.TrimPrefix(at.key, r.opts.Prefix)}
}

// refreshAhead begins to refresh the value of e, which was just served and has
// little of its time left, once. It is apart from Get, whose arguments would
// otherwise be on the heap for each hit.
func (c *Cache[K, V]) refreshAhead(ctx context.Context, key K, e *entry[K, V], s *session) {
	left := time.Duration(e.expires.Load() - c.redis.clock.now())
	if c.opts.RefreshAhead == 0 || left < time.Millisecond || e.absent || e.alone || s.remote == nil ||
		e.refreshed.Swap(true) || !c.begin() {
		return
	}
	go func() {
		defer c.work.Done()
		defer func() {
			if p := recover(); p != nil { // a codec's
				_ = c.panicked(p)
			}
		}()
		f := c.flightTo(key)
		f.session, f.began = s, c.epochs(f.at)
		f.refresh(context.WithoutCancel(ctx), left)
	}()
}

// refresh loads the key and puts the value into Redis in place of the one that
// is there, for no caller. It has no ticket and leaves the local tier alone: the
// push about what it wrote ends the old entry, here and elsewhere, and the next
// Get finds the new value in Redis.
//
// A lease, under a key of its own, keeps the other nodes from doing the same. If
// the load fails it stays for what is left of the old value's time, so that they
// do not try in turn.
func (f *flight[K, V]) refresh(ctx context.Context, left time.Duration) {
	c := f.cache
	if !f.admitNow() {
		return
	}
	defer f.stepBack()
	at, lease := c.redis.refreshPlace(f.at), []byte(newToken())
	ours, err := f.session.remote.lease(ctx, at, nil, lease, left)
	if err != nil {
		f.noteFailure(err)
		return
	}
	if ours && f.replace(ctx) {
		if _, err := f.session.remote.drop(context.WithoutCancel(ctx), at, lease); err != nil {
			f.noteFailure(err)
		}
	}
}

// replace reports whether there is no more to do. What Redis holds is read
// before the load begins, and replaced only if it is still there after it: an
// invalidation in between has removed it, and what was loaded is not kept.
func (f *flight[K, V]) replace(ctx context.Context) bool {
	c := f.cache
	held, _, err := f.session.remote.read(ctx, f.at)
	if err != nil {
		f.noteFailure(err)
		return true
	}
	if !f.ages(held) {
		return true
	}
	c.counters.refreshes.Add(1)
	began, written := c.redis.clock.now(), time.Now()
	out := f.load(ctx)
	if out.failed() {
		return false
	}
	ttl := f.ttl(out)
	fr, ok := f.encode(out, frame{written: written, ttl: ttl})
	rest := ttl - time.Duration(c.redis.clock.now()-began)
	if !ok || rest < time.Millisecond {
		return false
	}
	switch ok, err := f.session.remote.swap(ctx, f.at, held, f.form().encode(fr), rest); {
	case err != nil:
		f.noteFailure(err)
	case !ok:
		c.counters.refused.Add(1)
	}
	return true
}

// ages reports whether held is a value that wants to be refreshed. One with
// more left than halfway between RefreshAhead and the whole of its time has
// just been: by another node, whose push has not come yet.
func (f *flight[K, V]) ages(held []byte) bool {
	if held == nil {
		return false
	}
	got, verdict := f.form().decode(held, forever)
	return verdict == readable && got.kind == kindValue && got.left(time.Now()) < (f.cache.opts.RefreshAhead+got.ttl)/2
}
