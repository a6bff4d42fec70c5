package tiered

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A batch is what is left of a query when Redis has been asked: it places the
// leases, loads and fills for many keys at a time, and is to each what a flight is
// to one (see flight.run). It has a goroutine and a context of its own. What it
// cannot do with the others, to wait for another node above all, it leaves to a
// flight, and who waits for the key does not notice.
//
// It needs no flight to be shared: its members wait in place of one (see
// query.join). Where another flight for the key is there already, both look for
// the lease, and one of them loads.
type batch[K comparable, V any] struct {
	cache   *Cache[K, V]
	members []*member[K, V]
	session *session
	slot    bool // b has one among the loads, and has not begun to load
	loadBy  time.Time
}

// open returns the members that b has yet to deal with.
func (b *batch[K, V]) open() iter.Seq[*member[K, V]] {
	return func(yield func(*member[K, V]) bool) {
		for _, m := range b.members {
			if !m.ended && !yield(m) {
				return
			}
		}
	}
}

// settle ends m with an outcome, for all who wait for it.
func (b *batch[K, V]) settle(m *member[K, V], out outcome[V]) {
	if out.err != nil && b.cache.ctx.Err() != nil {
		out.err = ErrClosed
	}
	m.settled, m.out = true, out
	b.leave(m)
}

// leave ends m; without an outcome, for a flight to go on with.
func (b *batch[K, V]) leave(m *member[K, V]) {
	if m.lease != nil {
		b.cache.leases.remove(m.lease)
	}
	m.out.epoch = m.flight.began.tag
	m.flight.missed = false // some time ago
	m.flight.release()
	m.ended = true
	close(m.done)
}

// run deals with all members. ctx only carries values.
func (b *batch[K, V]) run(ctx context.Context) {
	c := b.cache
	defer c.work.Done()
	defer func() { // a logger's, or the end of this goroutine; codecs and loaders are caught apart
		err := error(new(PanicError))
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
		for m := range b.open() {
			b.settle(m, outcome[V]{err: err})
		}
	}()
	defer b.stepBack()
	b.read(ctx)
	if !b.admit() {
		return
	}
	b.lease(ctx)
	b.load(ctx)
}

// read opens a ticket for each member under the current session, and reads what
// nobody has read yet.
func (b *batch[K, V]) read(ctx context.Context) {
	c := b.cache
	b.session = c.redis.current.Load()
	var unread []*member[K, V]
	for m := range b.open() {
		f := m.flight
		f.began = c.epochs(f.at)
		f.session = b.session
		f.reopen()
		m.alone = m.alone || b.session.remote == nil || f.failed || c.redis.journal.has(f.at)
		if m.unread && !m.alone {
			unread = append(unread, m)
		}
	}
	c.readMany(ctx, b.session.remote, unread)
	for m := range b.open() {
		switch {
		case m.settled:
			b.leave(m)
		case m.apart:
			b.leave(m)
		case m.spoilt:
			c.counters.undecodable.Add(1)
		}
	}
}

// admit is flight.admit for all members, with one slot among the loads. It reports
// whether there is something to load.
func (b *batch[K, V]) admit() bool {
	c := b.cache
	wanted := false
	for m := range b.open() {
		if err := m.flight.damped(); err != nil {
			c.counters.damped.Add(1)
			b.settle(m, outcome[V]{err: err})
			continue
		}
		wanted = true
	}
	if !wanted {
		return false
	}
	if _, err := c.turn(); err != nil {
		for m := range b.open() {
			if c.ctx.Err() == nil {
				c.counters.overloaded.Add(1)
			}
			b.settle(m, outcome[V]{err: err})
		}
		return false
	}
	b.slot, b.loadBy = true, time.Now().Add(c.opts.LoadTimeout)
	return true
}

// stepBack is flight.stepBack.
func (b *batch[K, V]) stepBack() {
	if b.slot {
		b.slot = false
		b.cache.loads.leave()
	}
}

// lease places a fill lease for each member. Who does not get his leaves: another
// loads the key, or the key has a value by now.
func (b *batch[K, V]) lease(ctx context.Context) {
	ttl := b.cache.opts.LoadTimeout
	var members []*member[K, V]
	var writes []write
	for m := range b.open() {
		if !m.alone {
			members = append(members, m)
			writes = append(writes, write{verb: toLease, at: m.flight.at, old: m.held, value: m.flight.newLease(ttl), ttl: ttl})
		}
	}
	var noted error
	for i, r := range b.write(ctx, writes) {
		m := members[i]
		lease, err := m.flight.leased(ctx, writes[i].value, r.done, r.err)
		switch {
		case err != nil:
			noted = m.flight.noteOther(err, noted)
			m.alone = true
		case lease == nil:
			b.leave(m)
		default:
			m.lease = lease
			b.cache.tickets.noEcho(m.flight.ticket) // see writeMany
		}
	}
}

func (b *batch[K, V]) write(ctx context.Context, writes []write) []reply {
	return inTurns(writes, func(some []write) []reply { return b.session.remote.writeMany(ctx, some) })
}

// load loads the keys of all members in one call and keeps what it says.
func (b *batch[K, V]) load(ctx context.Context) {
	var keys []K
	for m := range b.open() {
		keys = append(keys, m.flight.key)
	}
	if len(keys) == 0 {
		return
	}
	began := b.cache.redis.clock.now()
	values, err := b.loadMany(ctx, keys)
	var fills []*filling[K, V]
	for m := range b.open() {
		out := outcome[V]{source: SourceLoader, err: err}
		if err == nil {
			if value, ok := values[m.flight.key]; ok {
				out.value = &value
			} else {
				out.err = ErrNotFound
			}
		}
		fills = append(fills, &filling[K, V]{member: m, out: m.flight.loaded(out, began)})
	}
	b.fill(ctx, fills, began)
}

var errNoKeyNamed = errors.New("LoadMany returned ErrNotFound: of which key, it does not say")

// loadMany is flight.load for several keys: the error is that of each.
func (b *batch[K, V]) loadMany(ctx context.Context, keys []K) (map[K]V, error) {
	c := b.cache
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	c.counters.batches.Add(1)
	c.counters.loads.Add(uint64(len(keys)))
	ctx, cancel := loading(ctx, c.ctx, b.loadBy)
	defer cancel()
	var values map[K]V
	done := make(chan error, 1)
	b.slot = false // it is the load's now
	c.work.Go(func() {
		err := error(new(PanicError))
		defer func() {
			if p := recover(); p != nil {
				err = c.panicked(p)
			}
			c.loads.leave()
			done <- err
		}()
		values, err = c.many.LoadMany(ctx, keys)
	})
	select {
	case err := <-done:
		if errors.Is(err, ErrNotFound) {
			err = errNoKeyNamed // it would seem an answer
		}
		return values, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
