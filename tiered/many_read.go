package tiered

import (
	"context"
	"errors"
	"time"
)

// readMany reads what Redis holds for members, and makes what it can of that.
func (c *Cache[K, V]) readMany(ctx context.Context, rem remote, members []*member[K, V]) {
	places := make([]place, len(members))
	for i, m := range members {
		places[i] = m.flight.at
	}
	replies := inTurns(places, func(some []place) []reply { return rem.readMany(ctx, some) })
	var noted error
	for i, m := range members {
		if err := replies[i].err; err == nil {
			m.judge(replies[i])
		} else if ctx.Err() == nil {
			m.flight.failed = true
			noted = m.flight.noteOther(err, noted)
		}
		if m.settled || m.apart {
			m.flight.release()
		}
	}
}

// judge is what look and flight.run make of what a key holds.
func (m *member[K, V]) judge(r reply) {
	f := m.flight
	defer func() { // a codec's
		if p := recover(); p != nil {
			m.settled, m.out = true, outcome[V]{err: f.cache.panicked(p)}
		}
	}()
	m.unread, m.held, f.missed = false, r.held, r.held == nil
	if f.missed {
		return
	}
	switch got, verdict := f.form().decode(r.held, r.left); {
	case verdict == readable && got.kind == kindLease:
		m.apart = true
	case verdict == readable && f.cache.redis.believes(got, f.at):
		m.out, m.settled = f.take(got)
		m.spoilt = !m.settled
	case verdict == readable:
	default:
		m.spoilt = true
		m.alone = verdict == foreign && time.Since(got.written) < foreignAge
	}
}

// noteOther is noteFailure for an error that is not the one noted before, of the
// same round trip as a rule. It returns err.
func (f *flight[K, V]) noteOther(err, noted error) error {
	if noted == nil || !errors.Is(err, noted) {
		f.noteFailure(err)
	}
	return err
}
