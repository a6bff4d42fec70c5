package tiered

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"
)

// A ManyLoader is a [Loader] that can load several keys at once. [New] finds out
// whether the one it is given is. [Cache.GetMany] calls LoadMany with the keys
// that nobody has an answer for; Load, when that is one key.
//
// What is said of Load holds for LoadMany. A key that the map does not have is
// absent, as if Load had returned [ErrNotFound] for it; other keys in it are
// ignored. The map is the Cache's from then on. An error is that of each key, and
// the map is not looked at; ErrNotFound is an error like any other here. A call
// takes one of the [Options.MaxLoads], whatever the number of its keys.
type ManyLoader[K comparable, V any] interface {
	Loader[K, V]
	LoadMany(ctx context.Context, keys []K) (map[K]V, error)
}

// A Result is what [Cache.GetMany] says of one key: what [Cache.Get] would
// return.
type Result[V any] struct {
	Value V
	Err   error
}

// GetMany is [Cache.Get] for several keys, with a result for each, in their order;
// a key may be named twice. It asks Redis for up to 64 at a time, and what is left
// it loads in one call if the loader is a [ManyLoader]; otherwise it is as if each
// had been asked for by a Get of its own. One key that fails, or is not there, takes
// nothing from the others. When ctx ends GetMany returns at once: the keys that
// have no answer by then have ctx's error. Their load goes on.
func (c *Cache[K, V]) GetMany(ctx context.Context, keys []K) []Result[V] {
	results := make([]Result[V], len(keys))
	s, now := c.redis.current.Load(), c.redis.clock.now()
	var q *query[K, V] // made when it is needed
	for i, key := range keys {
		e := c.local.get(key, c.local.hashOf(key), s, now)
		if e == nil {
			if q == nil {
				q = &query[K, V]{cache: c, session: s, now: now, members: make(map[K]*member[K, V])}
			}
			q.add(key, i)
			continue
		}
		if e.expires.Load()-now < int64(c.opts.RefreshAhead) {
			c.refreshAhead(ctx, key, e, s)
		}
		if e.absent {
			results[i].Err = ErrNotFound
		} else {
			results[i].Value = e.value // once, as in Get
		}
	}
	if q != nil {
		q.answer(ctx, results)
	}
	return results
}

// A query is the part of a call of GetMany that is beyond the local tier. It
// goes the way of Get for all its keys at a time:
//
//  1. The keys that nobody else looks or flies for are looked up in Redis, on the
//     goroutine of the caller (see look.go).
//  2. For each key that has no answer the flight is joined that there is. If
//     there is none, one begins that waits for what the batch finds out; or an
//     ordinary one, where there is no batch for the key.
//  3. The batch runs, on a goroutine of its own, and the caller waits.
type query[K comparable, V any] struct {
	cache   *Cache[K, V]
	session *session
	now     int64

	members map[K]*member[K, V]
	all     []*member[K, V] // the same, as they came
}

// A member is a key of a query, and may be one of its batch. Until the batch
// begins, the query has it; then the batch, up to done; then the flight.
type member[K comparable, V any] struct {
	flight *flight[K, V]
	at     []int  // in the keys of the call
	epoch  uint64 // of the tag, when the caller came
	answer <-chan singleflight.Result

	unread  bool          // nothing was read yet
	held    []byte        // what Redis holds that is no answer; nil: nothing
	spoilt  bool          // it was one, but not for the frame or the codec
	apart   bool          // it is for an ordinary flight
	alone   bool          // it is loaded without Redis
	lease   []byte        // that was placed
	done    chan struct{} // closed when the batch has no more to do with it
	ended   bool          // the same, for the batch
	settled bool          // out is the outcome
	out     outcome[V]
}

func (q *query[K, V]) add(key K, i int) {
	m := q.members[key]
	if m == nil {
		f := q.cache.flightTo(key)
		m = &member[K, V]{flight: f, epoch: q.cache.tickets.tags.epoch(f.at.tag), done: make(chan struct{})}
		q.members[key] = m
		q.all = append(q.all, m)
	}
	m.at = append(m.at, i)
}

// answer fills in the results of the keys.
func (q *query[K, V]) answer(ctx context.Context, results []Result[V]) {
	c := q.cache
	if err := ctx.Err(); err != nil {
		for _, m := range q.all {
			m.tell(outcome[V]{err: err}, results)
		}
		return
	}
	q.open()
	q.look(ctx)
	var rest []*member[K, V]
	for _, m := range q.all {
		out, ok := m.out, m.settled
		switch {
		case ok:
			c.counters.flights.Add(1)
		case m.apart:
			out, ok = c.insteadOfLate(m.flight)
		}
		if !ok {
			rest = append(rest, m)
			continue
		}
		note(ctx, out.source)
		m.tell(out, results)
	}
	q.join(ctx, rest)
	soft, stop := c.softTimeout()
	defer stop()
	for _, m := range rest {
		m.tell(q.wait(ctx, m, soft), results)
	}
}

func (m *member[K, V]) tell(out outcome[V], results []Result[V]) {
	for _, i := range m.at {
		results[i] = Result[V]{valueAt(out.value), out.err}
	}
}

// open opens a ticket for each key that nobody else looks or flies for. The
// others are apart: there is a flight to join. Only what somebody looks for may
// not have one yet; that the batch looks for as well, or else, of two callers who
// ask for the same many keys, the second would begin as many flights.
func (q *query[K, V]) open() {
	c := q.cache
	for _, m := range q.all {
		f := m.flight
		f.session = q.session
		f.ticket = c.tickets.openFirst(f.at, f.session)
		m.unread = true
		m.apart = f.ticket == nil && !c.tickets.looked(f.at.key)
	}
}

// look asks Redis for the keys that q has a ticket for. With a SoftTimeout the
// batch does it, so that the caller can leave, as Get leaves it to the flight.
func (q *query[K, V]) look(ctx context.Context) {
	c := q.cache
	if q.session.remote == nil || c.opts.SoftTimeout > 0 || !c.begin() {
		return
	}
	defer c.work.Done()
	var members []*member[K, V]
	for _, m := range q.all {
		if m.flight.ticket != nil && !c.redis.journal.has(m.flight.at) {
			members = append(members, m)
		}
	}
	c.readMany(ctx, q.session.remote, members)
}

// join finds each of the members a flight, and begins the batch.
func (q *query[K, V]) join(ctx context.Context, rest []*member[K, V]) {
	c := q.cache
	b := &batch[K, V]{cache: c}
	for _, m := range rest {
		if !m.apart {
			b.members = append(b.members, m)
		}
	}
	if c.many == nil || len(b.members) < 2 || !c.begin() {
		for _, m := range b.members {
			m.flight.release()
			m.apart = true
		}
		b.members = nil
	}
	ctx = context.WithoutCancel(ctx)
	for _, m := range rest {
		m.answer = q.flight(ctx, m)
	}
	if len(b.members) > 0 {
		go b.run(ctx)
	}
}

// flight joins the flight for a member, or begins it.
func (q *query[K, V]) flight(ctx context.Context, m *member[K, V]) <-chan singleflight.Result {
	c, apart := q.cache, m.apart // from when the batch runs, the member is its own
	return c.flights.DoChan(q.name(m), func() (any, error) {
		if !apart {
			<-m.done
		}
		if m.settled {
			c.counters.flights.Add(1)
			return m.out, nil
		}
		return c.fly(ctx, m.flight), nil
	})
}

func (q *query[K, V]) name(m *member[K, V]) string {
	return q.cache.joinable(m.flight.at.key, q.session, q.now)
}

// wait waits for the answer to one key. What has come is an answer, even if ctx
// has ended meanwhile.
func (q *query[K, V]) wait(ctx context.Context, m *member[K, V], soft <-chan time.Time) outcome[V] {
	c := q.cache
	var out outcome[V]
	select {
	case res := <-m.answer:
		out = c.arrived(m.flight, res)
	default:
		var err error
		if out, err = c.awaitOr(ctx, m.flight, m.answer, soft); err != nil {
			return outcome[V]{err: err}
		}
	}
	if out.epoch < m.epoch { // see join
		out.value, out.err = c.join(ctx, c.flightTo(m.flight.key), q.name(m))
		return out
	}
	note(ctx, out.source)
	return out
}

// softTimeout returns a channel that is closed when the SoftTimeout of a caller
// who came now has ended.
func (c *Cache[K, V]) softTimeout() (ended <-chan time.Time, stop func()) {
	if c.opts.SoftTimeout == 0 {
		return nil, func() {}
	}
	ch := make(chan time.Time)
	t := time.AfterFunc(c.opts.SoftTimeout, func() { close(ch) })
	return ch, func() { t.Stop() }
}
