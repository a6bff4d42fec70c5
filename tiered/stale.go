package tiered

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"
)

// A StaleError comes with a value: [Cache.Get] returns both when it could not
// load the key, or not soon enough, and still has a value whose TTL has ended.
// See [Options.ServeStale].
type StaleError struct {
	Age time.Duration // since the load of the value began
	Err error         // why there is no newer one; ErrLoading: it takes long
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("tiered: the value is %v old: %v", e.Age.Round(time.Millisecond), e.Err)
}

// Unwrap returns e.Err.
func (e *StaleError) Unwrap() error { return e.Err }

// An entry whose TTL has ended stays where it is, in the local tier, until it is
// evicted or another takes its place. A ticket that is opened for its key
// carries it as its former, so that there is still one place where a push or a
// purge finds all that this node knows of the key; if nothing comes of the
// ticket, the former is back in place. What voids the entry voids it as a former
// too, so a failed load can offer only what nobody has invalidated.
//
// A push is no invalidation when it comes after the entry's own end: Redis tells
// of the end that it sees itself. From then on nothing that is pushed is about
// the entry, only about the leases and values that follow it in Redis; a purge
// still is. So an entry ends a little before its key does (see staleEnds).

// inheritLocked makes old, or what old carries, the former of the ticket e, if
// it is one whose time is over and that may be served stale, and voids it if
// not. The mu of the shard is held.
func (t *tickets[K, V]) inheritLocked(e, old *entry[K, V]) {
	former := old
	if old.expires.Load() == 0 {
		former, old.former = old.former, nil
		e.late = old.late
	}
	switch {
	case former == nil:
	case former.staleUntil == 0, !t.endedLocked(former):
		former.expires.Store(0)
	default:
		e.former = former
	}
}

// endedLocked reports whether the time of a live entry is over.
func (t *tickets[K, V]) endedLocked(e *entry[K, V]) bool {
	return t.clock.now() >= e.expires.Load()
}

// restoreLocked ends the ticket e, and puts its former in its place.
func (t *tickets[K, V]) restoreLocked(sh *ticketShard[K, V], e *entry[K, V]) {
	if e.former == nil {
		t.voidLocked(sh, e.at.key)
		return
	}
	// Its key stays in the index of tags: an invalidation must find it all the
	// time (TestTagWhileTicketChanges).
	sh.entries[e.at.key], e.former = e.former, nil
	e.wakeLocked()
}

// push handles a push for key that is no echo. It ends a ticket, and an entry
// whose time is not over, and reports whether there was one.
func (t *tickets[K, V]) push(key string) bool {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	switch {
	case e == nil:
		return false
	case e.expires.Load() == 0:
		t.restoreLocked(sh, e)
		return true
	case e.staleUntil > 0 && t.endedLocked(e):
		return false
	default:
		return t.voidLocked(sh, key)
	}
}

// stale returns what may be served stale of key under session s, or nil, and
// whether the load in progress has been found to take long.
func (t *tickets[K, V]) stale(key string, s *session) (e *entry[K, V], late bool) {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e = sh.entries[key]
	if e != nil && e.expires.Load() == 0 {
		e, late = e.former, e.late
	}
	if e == nil || e.session != s.id {
		return nil, false
	}
	return e, late
}

// setLate notes that the load of key takes long, if one is in progress.
func (t *tickets[K, V]) setLate(key string) {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.entries[key]; e != nil && e.expires.Load() == 0 {
		e.late = true
	}
}

// await waits for the answer of a flight, until ctx ends. A stale value takes
// its place if the flight has none; and, for a caller who has waited for
// SoftTimeout, at once, while the flight goes on.
func (c *Cache[K, V]) await(ctx context.Context, f *flight[K, V], answer <-chan singleflight.Result) (outcome[V], error) {
	var soft <-chan time.Time
	if c.opts.SoftTimeout > 0 && !f.exact {
		t := time.NewTimer(c.opts.SoftTimeout)
		defer t.Stop()
		soft = t.C
	}
	return c.awaitOr(ctx, f, answer, soft)
}

// awaitOr is await for a caller whose SoftTimeout ends when soft says so.
func (c *Cache[K, V]) awaitOr(ctx context.Context, f *flight[K, V], answer <-chan singleflight.Result, soft <-chan time.Time) (outcome[V], error) {
	for {
		select {
		case res := <-answer:
			return c.arrived(f, res), nil
		case <-soft:
			soft = nil // once
			if len(answer) > 0 {
				continue // what has come is an answer
			}
			if out, ok := c.instead(f, outcome[V]{err: ErrLoading}); ok {
				c.tickets.setLate(f.at.key)
				return out, nil
			}
		case <-ctx.Done():
			return outcome[V]{}, ctx.Err()
		}
	}
}

// arrived is the outcome for one who waited for the answer of f.
func (c *Cache[K, V]) arrived(f *flight[K, V], res singleflight.Result) outcome[V] {
	out := res.Val.(outcome[V])
	if out.failed() {
		out, _ = c.instead(f, out)
	}
	return out
}

// insteadOfLate is the outcome for a caller who comes when others have found
// that the load takes long.
func (c *Cache[K, V]) insteadOfLate(f *flight[K, V]) (outcome[V], bool) {
	if c.opts.SoftTimeout == 0 || f.exact {
		return outcome[V]{}, false
	}
	if _, late := c.tickets.stale(f.at.key, c.redis.current.Load()); !late {
		return outcome[V]{}, false
	}
	return c.instead(f, outcome[V]{err: ErrLoading})
}

// instead returns what may be served stale instead of out, which is no answer,
// or else out, and which of them it is. It must be what a local hit could be,
// but for its TTL; and, as there, the lease comes before the entry (see
// local.get).
func (c *Cache[K, V]) instead(f *flight[K, V], out outcome[V]) (_ outcome[V], ok bool) {
	s, now := c.redis.current.Load(), c.redis.clock.now()
	if c.opts.ServeStale == 0 || f.exact || errors.Is(out.err, ErrClosed) || !s.fresh(now) {
		return out, false
	}
	e, _ := c.tickets.stale(f.at.key, s)
	if e == nil || now >= e.staleUntil {
		return out, false
	}
	c.counters.stale.Add(1)
	age := c.opts.ServeStale - time.Duration(e.staleUntil-now)
	return outcome[V]{
		value:  &e.value,
		err:    &StaleError{Age: age, Err: out.err},
		source: SourceStale,
		epoch:  c.tickets.tags.epoch(f.at.tag),
	}, true
}

// staleEnds makes e one that may be served stale: a value that Redis holds too,
// until the monotonic time ends, and whose TTL is ttl. It returns when the
// entry itself is to end: a thousandth earlier, a second at most, for Redis counts with another
// clock, in milliseconds, and its push must not come before (see tickets.push).
func (c *Cache[K, V]) staleEnds(e *entry[K, V], ends int64, ttl time.Duration) int64 {
	now := c.redis.clock.now()
	until := after(ends, c.opts.ServeStale-ttl) // ServeStale after the load began
	if c.opts.ServeStale == 0 || until <= now {
		return ends
	}
	e.staleUntil = until
	return ends - min((ends-now)/1024, int64(time.Second)) - int64(time.Millisecond)
}

// outdate ends what could be served stale of key: a load has answered. Whatever
// becomes of its answer, nothing older is served from now on.
func (t *tickets[K, V]) outdate(key string) {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch e := sh.entries[key]; {
	case e == nil:
	case e.expires.Load() == 0:
		e.dropFormerLocked()
	case e.staleUntil > 0 && t.endedLocked(e):
		t.voidLocked(sh, key)
	}
}
