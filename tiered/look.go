package tiered

import "context"

// look asks Redis for f's key on the goroutine of its caller, and reports whether
// that has an answer. Most of what the local tier does not hold Redis does, and
// nobody else asks for it at the moment; a flight, with a goroutine and a context
// of its own, costs as much as all the rest then.
//
// Whoever comes while somebody looks, or flies, for the same key gets no look of
// his own and joins a flight. So however many ask at once, there are two reads of
// a key at most, and what comes after them is shared by all.
//
// A look ends with its caller's context: there is no one else to go on for. What
// it found out that was no answer, the flight need not ask again.
func (c *Cache[K, V]) look(ctx context.Context, f *flight[K, V], s *session) (out outcome[V], ok bool) {
	if s.remote == nil || c.opts.SoftTimeout > 0 || c.ctx.Err() != nil || c.redis.journal.has(f.at) {
		return out, false
	}
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
	held, left, err := s.remote.read(ctx, f.at)
	switch {
	case err != nil:
		f.failed = ctx.Err() == nil
		if f.failed {
			f.noteFailure(err)
		}
		return out, false
	case held == nil:
		f.missed = true
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
