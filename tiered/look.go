package tiered

import "context"

// look asks Redis for f's key on the goroutine of its caller, and reports whether
// that has an answer. Most of what the local tier does not hold Redis does, and
// nobody else asks for it at the moment; a flight, with a goroutine and a context
// of its own, costs as much as all the rest then.
//
// Whoever comes while somebody looks, or flies, for the same key gets no look of
// his own and joins a flight. So those who ask at once share a read, but for the
// first of them, and whatever comes after it.
//
// A look ends with its caller's context, and then a flight goes on in its place,
// for the cache: callers who have less time than Redis takes would otherwise never
// find anything. What a look found out that was no answer, the flight need not ask
// again.
func (c *Cache[K, V]) look(ctx context.Context, f *flight[K, V]) (out outcome[V], ok bool) {
	s := c.redis.current.Load()
	if s.remote == nil || c.opts.SoftTimeout > 0 || ctx.Err() != nil || !c.begin() {
		return out, false
	}
	defer c.work.Done()
	f.session, f.ticket = s, c.tickets.openFirst(f.at, s)
	if f.ticket == nil {
		return out, false
	}
	defer f.release()
	defer func() { // a codec's
		if p := recover(); p != nil {
			out, ok = outcome[V]{err: c.panicked(p)}, true
		}
	}()
	// The ticket comes before the journal. Were it last, an invalidation that
	// Redis does not acknowledge could come in between, and find neither a ticket
	// to void nor somebody who looks into the journal (TestLookDuringOutage).
	if c.redis.journal.has(f.at) {
		return out, false
	}
	held, left, err := s.remote.read(ctx, f.at)
	switch {
	case err != nil:
		f.left = ctx.Err() != nil
		f.failed = !f.left
		if f.failed {
			f.noteFailure(err)
		}
		return out, false
	case held == nil:
		f.missed = true
		f.looked.Store(f.ticket)
		f.ticket = nil
		return out, false
	}
	got, verdict := f.form().decode(held, left)
	if verdict != readable || got.kind == kindLease || !c.redis.believes(got, f.at) {
		return out, false
	}
	if out, ok = f.take(got); ok {
		c.counters.flights.Add(1)
	}
	return out, ok
}

// takeOver makes the ticket of a look that of the flight that begins, unless the
// caller who looked has left, or it is void.
func (f *flight[K, V]) takeOver() {
	if e := f.looked.Swap(nil); e != nil && f.cache.tickets.takeOver(e) {
		f.ticket = e
	}
}

// forgetLook gives up the ticket of a look that no flight has taken over: its
// caller has joined another.
func (f *flight[K, V]) forgetLook() {
	if e := f.looked.Swap(nil); e != nil {
		f.cache.tickets.release(e)
	}
}
