package tiered

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// A Keyspace names the keys of one cache.
type Keyspace[K comparable] struct {
	// Name tells the caches of a process apart in statistics and errors.
	Name string

	// Key returns the Redis key of k, after [RedisOptions.Prefix]. Different k
	// must have different keys, in this cache and across all that share a
	// prefix. Each k must be equal to itself, which a NaN is not. Key is called
	// once for each look past the local tier. One that begins with "tiered:" is
	// kept under "tiered:key:" and itself: the package has keys of its own.
	Key func(k K) string

	// Tag, if it is not nil, returns the tag of k, always the same one: whatever
	// bears it can be invalidated together, see [Tagged], without knowing its
	// keys. Empty: k bears none. A tag costs a key in Redis that lists those
	// that bear it. To invalidate it takes as long as to delete them: keep them
	// to some thousands.
	Tag func(k K) string
}

// A Cache answers for the values of one kind: from its local tier, from Redis,
// or from its loader. All methods may be called from several goroutines.
type Cache[K comparable, V any] struct {
	redis  *Redis
	keys   Keyspace[K]
	loader Loader[K, V]
	many   ManyLoader[K, V] // the same, if it can load several keys at once
	opts   Options

	local       *local[K, V]
	tickets     *tickets[K, V]
	flights     singleflight.Group // by flightKey
	solos       atomic.Int64       // flights that nobody may join
	loads       loadQueue
	damper      *damper
	leases      leases
	fingerprint uint64
	counters    counters
	none        V // what comes with an error; never written

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex // guards closed, and adding to work
	closed bool
	work   sync.WaitGroup // the open flights and loads
}

// New returns a cache of what loader loads. It starts nothing; Close ends what
// Get has started. The error names each option that is out of range, and a
// Keyspace whose name another cache of rdb has.
func New[K comparable, V any](rdb *Redis, keys Keyspace[K], loader Loader[K, V], o Options) (*Cache[K, V], error) {
	o = o.withDefaults()
	err := o.validate()
	if rdb == nil {
		err = errors.Join(err, errors.New("tiered: New without a Redis (see RedisOptions.Disabled)"))
	}
	if keys.Name == "" || keys.Key == nil {
		err = errors.Join(err, errors.New("tiered: Keyspace needs a Name and a Key function"))
	}
	if loader == nil {
		err = errors.Join(err, errors.New("tiered: New without a Loader"))
	}
	if err != nil {
		return nil, err
	}
	c := &Cache[K, V]{
		redis: rdb, keys: keys, loader: loader, opts: o,
		local:       newLocal[K, V](o.LocalEntries, o.Eviction),
		tickets:     newTickets[K, V](),
		loads:       newLoadQueue(o.MaxLoads, o.MaxQueuedLoads),
		damper:      newDamper(),
		fingerprint: fingerprintOf(reflect.TypeFor[V]()),
	}
	c.many, _ = loader.(ManyLoader[K, V])
	c.tickets.clock = rdb.clock
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := rdb.enroll(keys.Name, c); err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// Get returns the value of key, or [ErrNotFound] when the loader, now or in a
// remembered answer, said that there is none.
//
// A hit in the local tier returns at once. Past it, Get blocks until the
// flight for key has an answer or ctx ends, and in the latter case returns
// ctx's error alone; the flight goes on for the others and for the cache.
// Failures of Redis are never returned; those of the loader are: when it goes
// on failing for key, the same error again for up to a second, without another
// load. It is [ErrOverloaded] when the loader has too much to do.
//
// With a [*StaleError], and no other, comes a value: see [Options.ServeStale].
//
// The value is shared by all who get it: whatever it points to must not be
// modified.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	value, err := c.get(ctx, key)
	return *value, err
}

// get is Get, with a pointer to the value, which is never nil. Get is so small that
// the compiler puts it into its callers, and they copy what they make use of from
// where it is.
func (c *Cache[K, V]) get(ctx context.Context, key K) (*V, error) {
	hash := c.local.hashOf(key)
	c.local.fetch(hash) // while the clock is read
	s, now := c.redis.current.Load(), c.redis.clock.now()
	e := c.local.get(key, hash, s, now)
	if e == nil {
		value, err := c.ask(ctx, key, s, now)
		if value == nil {
			value = &c.none
		}
		return value, err
	}
	if e.expires.Load()-now < int64(c.opts.RefreshAhead) {
		c.refreshAhead(ctx, key, e, s)
	}
	if e.absent {
		return &c.none, ErrNotFound // in e there may be what a codec left that then gave up
	}
	return &e.value, nil
}

// ask answers a call of Get that came at the monotonic time now, under session s,
// from beyond the local tier.
func (c *Cache[K, V]) ask(ctx context.Context, key K, s *session, now int64) (value *V, err error) {
	f := c.flightTo(key)
	defer f.forgetLook()
	if out, ok := c.look(ctx, f); ok {
		note(ctx, out.source)
		return out.value, out.err
	}
	name := c.joinable(f.at.key, s, now)
	if f.left {
		c.depart(ctx, f, name)
		return nil, ctx.Err()
	}
	return c.join(ctx, f, name)
}

// GetWithin is [Cache.Get] for a caller who wants less staleness than
// [RedisOptions.MaxStale] allows: no older value than bound. With a bound of 0,
// or below, it asks the loader whatever the tiers hold, and refreshes both. A
// bound of MaxStale or more is Get.
//
// What is past the local tier is not shared with other callers, unless another
// node has the fill lease and the bound is not 0. No error of GetWithin is a
// [StaleError], unless it is Get's; and with a bound of 0 the loader is asked
// even if it has failed for key a moment ago.
func (c *Cache[K, V]) GetWithin(ctx context.Context, key K, bound time.Duration) (V, error) {
	maxStale := c.redis.opts.MaxStale
	if bound >= maxStale {
		return c.Get(ctx, key)
	}
	hash := c.local.hashOf(key)
	c.local.fetch(hash)
	s, now := c.redis.current.Load(), c.redis.clock.now()
	// What could be served so much later can be served now under the bound.
	later := after(now, maxStale-bound)
	if bound <= 0 {
		later = endless
	}
	e := c.local.get(key, hash, s, later)
	if e == nil {
		f := c.flightTo(key)
		f.reload, f.exact = bound <= 0, true
		value, err := c.join(ctx, f, soloKey(f.at.key, c.solos.Add(1)))
		return valueAt(value), err
	}
	return e.answer()
}

// Invalidate makes every node forget keys. Call it after the change has been
// committed. When it returns nil, Redis has dropped the keys and has sent word
// to every node (where Redis was never on there is none to tell); no load that
// began before is kept anywhere.
//
// On this node it holds from the moment Invalidate returns, whatever it
// returns. [ErrPending] means that Redis did not acknowledge it in time: it is
// kept, and delivered when Redis answers again, unless this process ends
// before; until then other nodes may serve what they hold. When too many are
// kept it is [ErrJournalFull]. After [Redis.Close] nothing is delivered, and the
// error is [ErrClosed]. Invalidate blocks for no longer than
// [RedisOptions.Timeout], and no longer than ctx.
func (c *Cache[K, V]) Invalidate(ctx context.Context, keys ...K) error {
	if c.isClosed() {
		return ErrClosed
	}
	return c.redis.Invalidate(ctx, c.Target(keys...))
}

// Target is these keys of c, for [Redis.Invalidate].
func (c *Cache[K, V]) Target(keys ...K) Target {
	redisKeys := make([]string, len(keys))
	for i, key := range keys {
		redisKeys[i] = escaped(c.keys.Key(key))
	}
	return Target{keys: redisKeys}
}

// Stats returns a snapshot of the counters.
func (c *Cache[K, V]) Stats() Stats {
	st := c.counters.snapshot()
	c.local.count(&st)
	st.Shared = st.Gets - min(st.Gets, st.LocalHits+st.Flights)
	return st
}

// Close ends the loads in progress and waits for them; a loader that ignores
// its context is waited for, and so is Redis, for its Timeout at most in each step.
// Callers who wait are answered, with an error unless the answer is there. The
// Redis stays open for other caches. Close may be called again.
func (c *Cache[K, V]) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		c.local.close() // before the news stops coming
		c.redis.leave(c.keys.Name, c)
		c.cancel()
	}
	c.work.Wait()
	return nil
}

func (c *Cache[K, V]) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// begin counts one piece of work that Close waits for, unless it is too late.
func (c *Cache[K, V]) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// place returns where the value of key is in Redis.
func (c *Cache[K, V]) place(key K) place {
	at := place{key: c.redis.opts.Prefix + escaped(c.keys.Key(key)), plain: c.opts.PlainJSON}
	if c.keys.Tag != nil {
		if tag := c.keys.Tag(key); tag != "" {
			at.tag = c.redis.tagKey(tag)
		}
	}
	return at
}

// pushed implements receiver. The echo of this node's own fill is no news. Of
// a tag it says only that its list has changed: by a fill, if nothing else.
func (c *Cache[K, V]) pushed(key string) {
	if c.tickets.echo(key) {
		return
	}
	c.forgetFlights(key)
	if c.tickets.push(key) {
		c.counters.pushes.Add(1)
	}
}

// purged implements receiver.
func (c *Cache[K, V]) purged(key string) { c.counters.pushes.Add(c.forgetAll(key)) }

// invalidated implements receiver.
func (c *Cache[K, V]) invalidated(key string) { c.forgetAll(key) }

// forgetAll drops what this node knows of a Redis key, or, if it is that of a
// tag, of all keys that bear it. It returns of how many it knew anything.
func (c *Cache[K, V]) forgetAll(key string) (n uint64) {
	keys := []string{key}
	if c.redis.isTag(key) {
		keys = c.tickets.tags.invalidate(key)
	}
	for _, key := range keys {
		if c.forget(key) {
			n++
		}
	}
	return n
}

// forget drops what this node knows of a Redis key, and reports whether it
// knew anything.
func (c *Cache[K, V]) forget(key string) bool {
	c.forgetFlights(key)
	c.damper.invalidated(key)
	return c.tickets.void(key)
}

// forgetFlights lets nobody join the flights for a Redis key any more. It comes
// before its ticket is voided: were it to come after, a caller could come in
// between, join a flight, and get a value from before the change.
func (c *Cache[K, V]) forgetFlights(key string) {
	c.flights.Forget(c.joinable(key, c.redis.current.Load(), c.redis.clock.now()))
}

// joinable names the flight for a Redis key that a caller may join who came at
// now, under session s. One from an earlier session is not for that caller: it
// may have missed the news that ended the session. Nor is one that may have begun
// more than MaxStale ago: while its load is under way, Redis pushes nothing about
// the key (TestChangeDuringLoad). Who may not join finds the lease of that flight,
// if nobody has changed the key, and waits for what it brings.
func (c *Cache[K, V]) joinable(key string, s *session, now int64) string {
	return flightKey(key, s.id, now/int64(c.redis.opts.MaxStale))
}

// soloKey names a flight that no other caller may join.
func soloKey(key string, n int64) string { return flightKey(key, 0, -n) }

func flightKey(key string, session uint64, span int64) string {
	var room [128]byte // mostly enough, and not on the heap
	b := binary.AppendUvarint(room[:0], session)
	b = binary.AppendVarint(b, span)
	return string(append(b, key...))
}
