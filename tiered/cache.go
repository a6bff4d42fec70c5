package tiered

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"sync"

	"golang.org/x/sync/singleflight"
)

// A Keyspace names the keys of one cache.
type Keyspace[K comparable] struct {
	// Name tells the caches of a process apart in statistics and errors.
	Name string

	// Key returns the Redis key of k, before [RedisOptions.Prefix]. Different
	// k must have different keys, in this cache and across all that share a
	// prefix, none of which may begin with "tiered:". Each k must be equal to
	// itself, which a NaN is not. Key is called once for each look past the
	// local tier.
	Key func(k K) string

	// Tag, if it is not nil, returns the tag of k: whatever bears the same one
	// can be invalidated together, see [Tagged], without knowing its keys.
	// Empty: k bears none. A tag costs a key in Redis, which lists the keys
	// that bear it and lives as long as they do. To invalidate it takes as
	// long as to delete them: keep them to some thousands.
	Tag func(k K) string
}

// A Cache answers for the values of one kind: from its local tier, from Redis,
// or from its loader. All methods may be called from several goroutines.
type Cache[K comparable, V any] struct {
	redis  *Redis
	keys   Keyspace[K]
	loader Loader[K, V]
	opts   Options

	local       *local[K, V]
	tickets     *tickets[V]
	flights     singleflight.Group // by flightKey
	fingerprint uint64
	counters    counters

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
		local:       newLocal[K, V](o.LocalEntries),
		tickets:     newTickets[V](),
		fingerprint: fingerprintOf(reflect.TypeFor[V]()),
	}
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
// Failures of Redis are never returned; those of the loader are.
//
// The value is shared by all who get it: whatever it points to must not be
// modified.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	s, now := c.redis.current.Load(), c.redis.clock.now()
	e := c.local.get(key, s, now)
	if e == nil {
		return c.join(ctx, key, s, now)
	}
	if e.absent {
		var zero V
		return zero, ErrNotFound
	}
	return e.value, nil
}

// Invalidate makes every node forget keys. Call it after the change has been
// committed. When it returns nil, Redis has dropped the keys and has sent word
// to every node (with Redis switched off there is none to tell); no load that
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
		redisKeys[i] = c.keys.Key(key)
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
// its context is waited for. Callers of Get who wait are answered with an
// error. The Redis stays open for other caches. Close may be called again.
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
	at := place{key: c.redis.opts.Prefix + c.keys.Key(key), plain: c.opts.PlainJSON}
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
	if !c.tickets.echo(key) && c.forget(key) {
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
	if c.forget(key) {
		n++
	}
	for _, bearer := range c.tickets.bearers(key) {
		if c.forget(bearer) {
			n++
		}
	}
	return n
}

// forget drops what this node knows of a Redis key, and reports whether it
// knew anything. The flight is forgotten first: were it last, a caller could
// come in between, join the flight, and get a value from before the change.
func (c *Cache[K, V]) forget(key string) bool {
	c.flights.Forget(c.flightKey(key, c.redis.current.Load(), c.redis.clock.now()))
	return c.tickets.void(key)
}

// flightKey names the flight for a Redis key that a caller may join who came
// at now, under session s. One from an earlier session is not for that caller:
// it may have missed the news that ended the session. Without Redis no news
// comes at all, so a flight is joined for no longer than MaxStale.
func (c *Cache[K, V]) flightKey(key string, s *session, now int64) string {
	span := int64(0)
	if s.remote == nil {
		span = now / int64(c.redis.opts.MaxStale)
	}
	b := make([]byte, 0, len(key)+2*binary.MaxVarintLen64)
	b = binary.AppendUvarint(b, s.id)
	b = binary.AppendVarint(b, span)
	return string(append(b, key...))
}
