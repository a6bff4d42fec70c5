package tiered

import "context"

// A filling is the outcome of a load on its way into both tiers.
type filling[K comparable, V any] struct {
	member *member[K, V]
	out    outcome[V]
	prepared
	refused bool // neither tier may keep it
}

// fill is flight.fill for several keys, in one round, or two if there is something
// to be dropped.
func (b *batch[K, V]) fill(ctx context.Context, fills []*filling[K, V], began int64) {
	var stored, drops []*filling[K, V]
	for _, p := range fills {
		switch {
		case p.member.alone:
			p.member.flight.keepLoaded(p.out, began)
			b.settle(p.member, p.out)
		case p.prepare(began):
			stored = append(stored, p)
		default:
			drops = append(drops, p)
		}
	}
	var noted error
	for i, r := range b.write(ctx, b.writes(toFill, stored)) {
		p := stored[i]
		f := p.member.flight
		switch {
		case r.err != nil:
			noted = f.noteOther(r.err, noted)
			p.value = nil
			drops = append(drops, p)
			continue
		case r.done:
			f.keep(p.out, after(began, p.ttl), p.ttl)
		default:
			b.cache.counters.refused.Add(1)
			if f.at.tag != "" { // see flight.fill
				p.value, p.refused = nil, true
				drops = append(drops, p)
				continue
			}
		}
		b.settle(p.member, p.out)
	}
	for i, r := range b.write(context.WithoutCancel(ctx), b.writes(toDrop, drops)) {
		p := drops[i]
		if p.member.flight.afterDrop(ctx, p.member.lease, r.done, r.err) && !p.refused {
			p.member.flight.keepLoaded(p.out, began)
		}
		b.settle(p.member, p.out)
	}
}

// writes returns what is to be done to Redis for fills.
func (b *batch[K, V]) writes(verb verb, fills []*filling[K, V]) []write {
	writes := make([]write, len(fills))
	for i, p := range fills {
		if verb == toDrop || p.member.flight.at.tag != "" {
			b.cache.tickets.expectEcho(p.member.flight.ticket)
		}
		writes[i] = write{verb: verb, at: p.member.flight.at, old: p.member.lease, value: p.value, ttl: p.left}
	}
	return writes
}

// prepare reports whether Redis is to hold the outcome.
func (p *filling[K, V]) prepare(began int64) bool {
	f := p.member.flight
	defer func() { // a codec's
		if r := recover(); r != nil {
			p.out = outcome[V]{err: f.cache.panicked(r)}
		}
	}()
	p.prepared = f.prepare(p.out, began)
	return p.value != nil
}
