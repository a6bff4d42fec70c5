package tiered

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// An outcome is what a flight found.
type outcome[V any] struct {
	value  *V // nil: there is none. What it points to may be that of an entry
	err    error
	source Source
	epoch  uint64 // of the flight's tag, see tagIndex
}

// valueAt returns what value points to, or else the zero value.
func valueAt[V any](value *V) (v V) {
	if value != nil {
		v = *value
	}
	return v
}

// join waits for the flight of that name, and begins f if there is none. It
// runs on a goroutine of its own with a context of its own, so that it survives
// the caller who began it. (It is not cancelled when the last caller has left:
// what it finds is stored, and the next caller is likely near.)
func (c *Cache[K, V]) join(ctx context.Context, f *flight[K, V], name string) (*V, error) {
	epoch := c.tickets.tags.epoch(f.at.tag)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if out, ok := c.insteadOfLate(f); ok {
			note(ctx, out.source)
			return out.value, out.err
		}
		out, err := c.await(ctx, f, c.depart(ctx, f, name))
		if err != nil {
			return nil, err
		}
		if out.epoch < epoch {
			continue // it began before an invalidation that this caller came after
		}
		note(ctx, out.source)
		return out.value, out.err
	}
}

// depart returns the answer of the flight of that name, and begins f if there is
// none.
func (c *Cache[K, V]) depart(ctx context.Context, f *flight[K, V], name string) <-chan singleflight.Result {
	return c.flights.DoChan(name, func() (any, error) {
		growStack()
		return c.fly(context.WithoutCancel(ctx), f), nil
	})
}

// growStack gives a goroutine that has just begun the stack that a flight or a load
// needs. Else that grows in steps, deep in calls, and all frames are copied each time:
// of the time of a miss on two processors 11 %, instead of 4 %.
//
//go:noinline
func growStack() {
	var room [6 << 10]byte
	runtime.KeepAlive(&room)
}

// fly runs f. ctx only carries values; whatever f waits for ends with the cache,
// but for Redis, which has its Timeout.
func (c *Cache[K, V]) fly(ctx context.Context, f *flight[K, V]) (out outcome[V]) {
	f.began = c.epochs(f.at) // before anything is read, but by a look that found nothing
	defer func() { out.epoch = f.began.tag }()
	if !c.begin() {
		return outcome[V]{err: ErrClosed}
	}
	defer c.work.Done()
	c.counters.flights.Add(1)
	defer func() { // a codec's; the loader's own is caught in load
		if p := recover(); p != nil {
			out = outcome[V]{err: c.panicked(p)}
		}
	}()
	f.takeOver()
	defer f.release()
	defer f.stepBack()
	out = f.run(ctx)
	if out.err != nil && c.ctx.Err() != nil {
		out.err = ErrClosed
	}
	return out
}

// panicked makes an error of a panic and logs where it was. What was passed to
// panic stays out of the log: it may hold a key.
func (c *Cache[K, V]) panicked(p any) error {
	err := &PanicError{Value: p, Stack: debug.Stack()}
	c.redis.opts.Logger.Error("tiered: a load panicked", "keyspace", c.keys.Name, "stack", string(err.Stack))
	return err
}

// A flight is one way past the local tier: for which key, under which
// session, and the ticket under which its result may be kept.
type flight[K comparable, V any] struct {
	cache   *Cache[K, V]
	key     K
	at      place
	reload  bool   // ask the loader, whatever Redis holds
	exact   bool   // no stale value will do, whatever becomes of the load
	began   epochs // when nothing had been read
	session *session
	framer  framer       // of the session: see form
	ticket  *entry[K, V] // nil once it is committed

	slot   bool      // f has one among the loads, and has not begun to load
	loadBy time.Time // when the time of the load ends

	waitUntil int64         // the monotonic time up to which f waits for another node
	unheard   time.Duration // how long Redis was not heard of before the next read

	// What the look of its caller has found, a moment ago.
	looked atomic.Pointer[entry[K, V]] // its ticket, if there was nothing under the key
	missed bool                        // there was nothing
	failed bool                        // Redis fails
	left   bool                        // nothing was found: the caller has left
}

func (c *Cache[K, V]) flightTo(key K) *flight[K, V] {
	return &flight[K, V]{cache: c, key: key, at: c.place(key)}
}

// run asks Redis; with the fill lease in hand, the loader; and while another
// node has the lease, it waits.
func (f *flight[K, V]) run(ctx context.Context) outcome[V] {
	c := f.cache
	began := c.redis.clock.now()
	f.waitUntil = after(began, c.opts.WaitForFill)
	for {
		f.open()
		failed := f.failed
		f.failed = false // if it is flown again, that was some time ago
		if f.session.remote == nil || failed || c.redis.journal.has(f.at) {
			return f.loadAlone(ctx)
		}
		held, left, err := f.read(ctx)
		if err != nil {
			return f.redisFailed(ctx, err)
		}
		switch got, verdict := f.form().decode(held, left); {
		case held == nil:
		case f.reload:
			if verdict == readable && got.kind != kindLease && !f.at.plain {
				return f.loadOver(ctx, held)
			}
		case verdict == readable && got.leaseOf(c.redis.node) && (f.exact || !c.leases.has(held, f.session)):
			// The lease of an earlier flight of this node, which did not
			// come to fill: it lost its connection, or its callers.
		case verdict == readable && got.kind == kindLease:
			if got.leaseOf(c.redis.node) { // an earlier flight loads, and is sure to end
				f.waitUntil = max(f.waitUntil, after(began, c.opts.LoadTimeout))
			}
			if !f.wait() {
				return f.loadAlone(ctx)
			}
			continue
		case verdict == readable && c.redis.believes(got, f.at):
			if out, ok := f.take(got); ok {
				return out
			}
			c.counters.undecodable.Add(1)
		case verdict == readable:
		default:
			c.counters.undecodable.Add(1)
			if verdict == foreign && time.Since(got.written) < foreignAge {
				return f.loadAlone(ctx)
			}
		}
		queued, err := f.admit()
		if err != nil {
			return outcome[V]{err: err}
		}
		if queued { // that was no wait for another node
			f.waitUntil = after(c.redis.clock.now(), c.opts.WaitForFill)
		}
		lease, err := f.lease(ctx, held)
		if err != nil {
			return f.redisFailed(ctx, err)
		}
		if lease != nil {
			return f.loadAndFill(ctx, lease)
		}
		f.stepBack()
		if c.redis.clock.now() >= f.waitUntil { // another node was faster, or the connection is new
			return f.loadAlone(ctx)
		}
	}
}

// open opens a ticket under the current session. It comes before every read
// whose result may be kept (see entry). After a look the read has been, and its
// ticket serves.
func (f *flight[K, V]) open() {
	s := f.cache.redis.current.Load()
	if f.missed && f.ticket != nil && f.session == s {
		return
	}
	f.session = s
	f.reopen()
}

// reopen opens a fresh ticket under the same session.
func (f *flight[K, V]) reopen() { f.ticket = f.cache.tickets.open(f.at, f.session) }

// release gives up the ticket, unless it was committed.
func (f *flight[K, V]) release() {
	if f.ticket != nil {
		f.cache.tickets.release(f.ticket)
		f.ticket = nil
	}
}

// form returns how values of this cache are written in this session.
func (f *flight[K, V]) form() form {
	if f.at.plain {
		return plainForm{
			ttl:       jitteredBy(f.at.key, f.cache.opts.TTL),
			absentTTL: jitteredBy(f.at.key, f.cache.opts.AbsentTTL),
			tagged:    f.at.tag != "",
		}
	}
	f.framer = framer{life: f.session.life, fingerprint: f.cache.fingerprint}
	return &f.framer // as an interface, a copy would be on the heap
}

// take makes a frame from Redis the outcome, and keeps it locally for what is
// left of its time. A value that does not decode is none.
func (f *flight[K, V]) take(got frame) (outcome[V], bool) {
	c := f.cache
	out := outcome[V]{source: SourceRedis}
	if got.kind == kindAbsent {
		out.err = ErrNotFound
	} else {
		// Into the ticket, where it is wanted and nobody looks yet: a variable
		// that a codec is handed would be on the heap as well.
		value := &f.ticket.value
		if err := c.opts.Codec.Unmarshal(got.payload, value); err != nil {
			return out, false
		}
		out.value = value
	}
	c.counters.redisHits.Add(1)
	c.damper.succeeded(f.at.key)
	ttl := got.ttl
	if f.at.plain { // it may be another program's, and older than it seems
		ttl = forever
	}
	f.keep(out, after(c.redis.clock.now(), got.left(time.Now())), ttl)
	return out, true
}

// lease tries to put this node's fill lease where held is, and returns it, or
// nil if the key holds something else by now.
func (f *flight[K, V]) lease(ctx context.Context, held []byte) ([]byte, error) {
	ttl := f.cache.opts.LoadTimeout
	lease := f.newLease(ttl)
	ours, err := f.session.remote.lease(ctx, f.at, held, lease, ttl)
	return f.leased(ctx, lease, ours, err)
}

// newLease returns a fill lease that is about to be placed.
func (f *flight[K, V]) newLease(ttl time.Duration) []byte {
	c := f.cache
	lease := f.form().encode(newLease(c.redis.node, time.Now(), ttl))
	c.leases.add(lease, f.session)
	c.tickets.expectEcho(f.ticket)
	return lease
}

// leased takes note of whether a lease was placed, and returns it if it was.
func (f *flight[K, V]) leased(ctx context.Context, lease []byte, ours bool, err error) ([]byte, error) {
	if err != nil || !ours {
		f.cache.leases.remove(lease)
		f.cache.tickets.noEcho(f.ticket) // if one comes all the same, a ticket is void
	}
	if err != nil {
		// The lease may be there all the same, with a reply that came late.
		// This command is behind that one, so it is taken away again.
		if !isUnasked(err) {
			f.giveBack(ctx, lease)
		}
		return nil, err
	}
	if !ours {
		return nil, nil
	}
	// The ticket in hand may be void. What happened to the key before now does
	// not matter: if anything did, the lease is gone, and the fill will fail.
	f.ticket = f.cache.tickets.renew(f.ticket, f.session)
	return lease, nil
}

// Without tracking no push ends the wait for another node's fill, so the key
// is read again this often.
const pollEvery = 10 * time.Millisecond

// wait returns true when the key may have changed: by a push, or because the
// session is over. It returns false at waitUntil at the latest. It returns true
// as well when half the Redis timeout has passed: a server that is frozen
// pushes nothing, and the next read, which has the other half, will tell.
func (f *flight[K, V]) wait() bool {
	if f.unheard == 0 { // else the wait goes on
		f.cache.counters.waits.Add(1)
	}
	step := f.cache.redis.opts.Timeout / 2
	if !f.session.tracked {
		step = min(step, pollEvery)
	}
	f.unheard = 0
	left := time.Duration(f.waitUntil - f.cache.redis.clock.now())
	again := time.NewTimer(min(step, left))
	defer again.Stop()
	select {
	case <-f.cache.tickets.wait(f.ticket):
		return true
	case <-f.session.over:
		return true
	case <-again.C:
		f.unheard = step
		return step < left
	case <-f.cache.ctx.Done():
		return false
	}
}

// read reads the key. Right after a wait in which Redis was not heard of, what
// is left of its timeout must do.
func (f *flight[K, V]) read(ctx context.Context) (held []byte, left time.Duration, err error) {
	if f.missed { // if there is a value by now, the lease will not be placed
		f.missed = false
		return nil, 0, nil
	}
	if f.unheard > 0 {
		var cancel context.CancelFunc
		// That the line is late it cannot tell in less than the whole timeout.
		ctx, cancel = context.WithTimeout(ctx, f.cache.redis.opts.Timeout-f.unheard)
		defer cancel()
	}
	return f.session.remote.read(ctx, f.at)
}
