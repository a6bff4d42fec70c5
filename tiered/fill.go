package tiered

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// redisFailed goes on without Redis.
func (f *flight[K, V]) redisFailed(ctx context.Context, err error) outcome[V] {
	f.noteFailure(err)
	return f.loadAlone(ctx)
}

func (f *flight[K, V]) noteFailure(err error) {
	if isUnasked(err) {
		return
	}
	f.cache.counters.redisErrors.Add(1)
	f.cache.redis.failed(err, loadersAnswer)
}

// loadAlone asks the loader without filling Redis. Nothing is sure to tell
// this node of the next change, so the result is kept for MaxStale at most.
func (f *flight[K, V]) loadAlone(ctx context.Context) outcome[V] {
	if f.cache.ctx.Err() != nil {
		return outcome[V]{err: ErrClosed}
	}
	if _, err := f.admit(); err != nil {
		return outcome[V]{err: err}
	}
	began := f.cache.redis.clock.now()
	out := f.load(ctx)
	f.keepLoaded(out, began)
	return out
}

// keepLoaded keeps the outcome of a load that is not in Redis.
func (f *flight[K, V]) keepLoaded(out outcome[V], began int64) {
	bound := min(f.session.keepFor, f.cache.redis.opts.MaxStale)
	f.ticket.alone = true
	f.keep(out, after(began, min(f.ttl(out), bound)), forever)
}

// loadAndFill asks the loader and stores what it says in both tiers. Redis
// takes it only while the lease is in place: an invalidation since has removed
// the lease, and then neither tier keeps what may be older.
func (f *flight[K, V]) loadAndFill(ctx context.Context, lease []byte) outcome[V] {
	c := f.cache
	defer c.leases.remove(lease)
	pending := true
	defer func() {
		if pending { // the codec has panicked
			f.dropHeld(ctx, lease)
		}
	}()
	began := c.redis.clock.now()
	out := f.load(ctx)
	f.fill(ctx, lease, out, began, f.fillLease)
	pending = false
	return out
}

// loadOver asks the loader while Redis keeps the value that it holds, for the
// others, and puts the answer in its place. A load that fails leaves it there.
// An invalidation meanwhile has removed it, and then neither tier keeps what may
// be older.
func (f *flight[K, V]) loadOver(ctx context.Context, held []byte) outcome[V] {
	if _, err := f.admit(); err != nil {
		return outcome[V]{err: err}
	}
	began := f.cache.redis.clock.now()
	out := f.load(ctx)
	if !out.failed() {
		f.fill(ctx, held, out, began, f.swap)
	}
	return out
}

// fillLease puts what is prepared in place of f's lease. Of that no echo comes, but
// for a place with a tag.
func (f *flight[K, V]) fillLease(ctx context.Context, lease []byte, p prepared) (bool, error) {
	if err := f.hearEcho(ctx); err != nil {
		return false, err
	}
	if f.at.tag != "" {
		f.cache.tickets.expectEcho(f.ticket)
	}
	return f.session.remote.fill(ctx, f.at, lease, p.value, p.left)
}

// hearEcho returns when f's ticket waits for no echo of the lease any more. It is on
// its way since that was placed, so there is something to wait for only where the
// load took no time at all, or where it never comes.
func (f *flight[K, V]) hearEcho(ctx context.Context) error {
	tickets := f.cache.tickets
	if !tickets.expectsEcho(f.ticket) {
		return nil
	}
	if f.session.tracked {
		if err := f.session.remote.hearOut(ctx); err != nil {
			return err
		}
	}
	tickets.noEcho(f.ticket)
	return nil
}

// swap puts what is prepared in place of what f has read. If f's ticket is void then,
// as a key that was read on both connections is pushed twice, another serves that has
// seen the same in Redis.
func (f *flight[K, V]) swap(ctx context.Context, held []byte, p prepared) (bool, error) {
	tickets := f.cache.tickets
	tickets.expectEcho(f.ticket)
	ok, err := f.session.remote.swap(ctx, f.at, held, p.value, p.left)
	if !ok || err != nil {
		return ok, err
	}
	voided := f.ticket
	if f.ticket = tickets.renew(voided, f.session); f.ticket == voided {
		return true, nil
	}
	now, _, err := f.session.remote.read(ctx, f.at)
	if err != nil || !bytes.Equal(now, p.value) {
		tickets.void(f.at.key)
	}
	return true, nil
}

// fill puts the outcome of a load that began then into both tiers, if Redis still
// holds what it held: the lease, or an older value; that is what put does. If the
// outcome cannot be kept there, what is held is dropped.
func (f *flight[K, V]) fill(ctx context.Context, held []byte, out outcome[V], began int64, put func(context.Context, []byte, prepared) (bool, error)) {
	c := f.cache
	p := f.prepare(out, began)
	if p.value == nil {
		if f.dropHeld(ctx, held) {
			f.keepLoaded(out, began)
		}
		return
	}
	ok, err := put(ctx, held, p)
	switch {
	case err != nil:
		f.noteFailure(err)
		if f.dropHeld(ctx, held) {
			f.keepLoaded(out, began)
		}
	case !ok:
		c.counters.refused.Add(1)
		if f.at.tag != "" { // it may be there all the same, without its tag
			f.dropHeld(ctx, held)
		}
	default:
		f.keep(out, after(began, p.ttl), p.ttl)
	}
}

// A prepared outcome is one as Redis is to hold it.
type prepared struct {
	value []byte        // nil: it cannot be kept there
	ttl   time.Duration // since its load began
	left  time.Duration // of that
}

// prepare makes an outcome ready for Redis. Its load began at that time.
func (f *flight[K, V]) prepare(out outcome[V], began int64) prepared {
	since := func() time.Duration { return time.Duration(f.cache.redis.clock.now() - began) }
	fr, ok := f.encode(out, frame{written: time.Now().Add(-since()), ttl: f.ttl(out)})
	p := prepared{ttl: fr.ttl, left: fr.ttl - since()}
	if ok && p.left >= time.Millisecond {
		p.value = notNil(f.form().encode(fr))
	}
	return p
}

// encode completes fr to hold an outcome, if that can be kept in Redis.
func (f *flight[K, V]) encode(out outcome[V], fr frame) (frame, bool) {
	c := f.cache
	if out.err != nil {
		fr.kind = kindAbsent
		return fr, !out.failed()
	}
	var err error
	fr.kind = kindValue
	fr.payload, err = c.opts.Codec.Marshal(*out.value)
	if err != nil || !f.form().fits(fr.payload) {
		c.counters.undecodable.Add(1)
		return fr, false
	}
	return fr, true
}

// dropHeld drops what is held in place of an outcome, so that other nodes load
// at once, even if ctx has ended. It reports whether the outcome may be kept
// here: not if that was gone already. If Redis cannot be reached, a lease ends
// by itself after LoadTimeout.
//
// A flight waits for a silent Redis once: by now the line is late, this is
// refused, and what is held is given back behind the flight's back.
func (f *flight[K, V]) dropHeld(ctx context.Context, held []byte) bool {
	ctx = context.WithoutCancel(ctx)
	_ = f.hearEcho(ctx) // or the drop will fail too
	f.cache.tickets.expectEcho(f.ticket)
	dropped, err := f.session.remote.drop(ctx, f.at, held)
	return f.afterDrop(ctx, held, dropped, err)
}

// afterDrop is what dropHeld does when it has tried.
func (f *flight[K, V]) afterDrop(ctx context.Context, held []byte, dropped bool, err error) bool {
	if isUnasked(err) {
		f.giveBack(ctx, held)
	}
	if err != nil {
		f.noteFailure(err)
		return true // for MaxStale, like all that is loaded while Redis fails
	}
	return dropped
}

// giveBack drops what may be held in Redis. Nobody waits for that but Close.
func (f *flight[K, V]) giveBack(ctx context.Context, held []byte) {
	rem := f.session.remote
	f.cache.work.Go(func() { _ = rem.giveBack(context.WithoutCancel(ctx), f.at, held) })
}

// keep stores an outcome in the local tier until the monotonic time expires,
// if the ticket is still good. ttl is how long it may live, all in all; forever:
// it is not known, or the outcome is not in Redis.
func (f *flight[K, V]) keep(out outcome[V], expires int64, ttl time.Duration) {
	c := f.cache
	if out.failed() || f.session.keepFor == 0 || expires <= c.redis.clock.now() {
		return
	}
	e := f.ticket
	if e.absent = out.err != nil; !e.absent && out.value != &e.value {
		e.value = *out.value
	}
	switch {
	case f.at.plain && !f.session.tracked:
		// Other programs send no purges: nothing tells of what they do.
		expires = min(expires, after(c.redis.clock.now(), c.redis.opts.MaxStale))
	case !e.absent && ttl < forever:
		expires = c.staleEnds(e, expires, ttl)
	}
	if !c.tickets.commit(e, expires) {
		if !c.tickets.followed(e) {
			c.counters.refused.Add(1)
		}
		return
	}
	f.ticket = nil
	if old := c.local.add(f.key, e); old != nil {
		c.tickets.release(old)
	}
}

// failed reports whether there is no answer: ErrNotFound is one.
func (out outcome[V]) failed() bool {
	return out.err != nil && !errors.Is(out.err, ErrNotFound)
}

// ttl returns how long an outcome may live, from the beginning of its load.
func (f *flight[K, V]) ttl(out outcome[V]) time.Duration {
	ttl := f.cache.opts.TTL
	if out.err != nil {
		ttl = f.cache.opts.AbsentTTL
	}
	if f.at.plain { // when it was written is told from how long it has left: see plainForm
		return jitteredBy(f.at.key, ttl)
	}
	return jittered(ttl)
}

// load calls the loader on a goroutine of its own: one that ignores its
// context keeps only that one waiting, and the slot of f, and one that panics
// or exits is an error like any other.
func (f *flight[K, V]) load(ctx context.Context) outcome[V] {
	c := f.cache
	if c.ctx.Err() != nil {
		return outcome[V]{source: SourceLoader, err: ErrClosed}
	}
	c.counters.loads.Add(1)
	began := c.redis.clock.now()
	ctx, cancel := loading(ctx, c.ctx, f.loadBy)
	defer cancel()
	done := make(chan outcome[V], 1)
	f.slot = false     // it is the load's now
	c.work.Go(func() { // the flight has begun, so Close waits already
		growStack()
		out := outcome[V]{source: SourceLoader, err: new(PanicError)}
		defer func() {
			if p := recover(); p != nil {
				out.err = c.panicked(p)
			}
			c.loads.leave()
			done <- out
		}()
		value, err := c.loader.Load(ctx, f.key)
		out.value, out.err = &value, err
	})
	var out outcome[V]
	select {
	case out = <-done:
	case <-ctx.Done():
		out = outcome[V]{source: SourceLoader, err: ctx.Err()}
	}
	return f.loaded(out, began)
}

// loaded makes of what the loader said what callers are told, and takes note of
// whether it failed. The load began at that time.
func (f *flight[K, V]) loaded(out outcome[V], began int64) outcome[V] {
	c := f.cache
	switch {
	case errors.Is(out.err, ErrNotFound):
		out = outcome[V]{source: SourceLoader, err: ErrNotFound}
	case out.err != nil:
		if s, ok := errors.AsType[*StaleError](out.err); ok {
			out.err = s.Err // another cache's: its value is none of this one's
		}
		c.counters.loadErrors.Add(1)
		out = outcome[V]{source: SourceLoader, err: fmt.Errorf("tiered: load %s: %w", c.keys.Name, out.err)}
		if !errors.Is(out.err, ErrOverloaded) { // of a cache that the loader asks
			c.damper.failed(f.at.key, out.err, f.began, began, c.redis.clock.now())
		}
		return out
	}
	c.tickets.outdate(f.at.key)
	c.damper.succeeded(f.at.key)
	return out
}
