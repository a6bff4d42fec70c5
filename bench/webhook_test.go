package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

// BenchmarkWebhook does the reads that a message of a caller costs: whose number
// was called, who called, and the context of the conversation. So many callers
// in turn that none share a look.
//
//	local   all three from the local tier
//	redis   all three from Redis; the local tier has room for one of a kind
//	none    Redis is switched off, and with it the cache: six statements
func BenchmarkWebhook(b *testing.B) {
	n := 2048
	if once() {
		n = 64
	}
	db, fleet := newDatabase(b, n), prefixed(b)
	for _, w := range []webhook{
		{name: "local", redis: fleet, want: answers{local: 3}},
		{name: "redis", redis: fleet, config: leadsvc.Config{LocalEntries: 1}, want: answers{redis: 3}},
		{name: "none", redis: tiered.RedisOptions{Disabled: true}, want: answers{loads: 3, statements: 6}},
	} {
		b.Run(w.name, func(b *testing.B) {
			w.database, w.service, w.turn = db, newService(b, db, w.redis, w.config), new(atomic.Int64)
			if err := each(len(db.callers), 64, func(i int) error { return w.message(b.Context(), i) }); err != nil {
				b.Fatal(err)
			}
			for _, g := range widths {
				b.Run(fmt.Sprint("g=", g), func(b *testing.B) { w.measure(b, g) })
			}
		})
	}
}

type webhook struct {
	name     string
	redis    tiered.RedisOptions
	config   leadsvc.Config
	want     answers // for each message
	database database
	service  *leadsvc.Service
	turn     *atomic.Int64 // of the callers
}

// answers say where those to the reads came from.
type answers struct{ local, redis, loads, statements uint64 }

// message is what a message of the i-th caller asks for.
func (w webhook) message(ctx context.Context, i int) error {
	c := w.database.callers[i%len(w.database.callers)]
	org, err := w.service.OrganizationByPhone(ctx, c.to)
	if err != nil {
		return err
	}
	lead, err := w.service.FindOrCreateLead(ctx, c.from, org.ID)
	if err != nil {
		return err
	}
	_, err = w.service.ConversationContext(ctx, lead.ID)
	return err
}

func (w webhook) measure(b *testing.B, g int) {
	b.Helper()
	ctx, before := b.Context(), w.answers()
	callers(b, g, func(next func() bool) error {
		for next() {
			if err := w.message(ctx, int(w.turn.Add(1))); err != nil {
				return err
			}
		}
		return nil
	})
	got := w.answers()
	for _, a := range []struct {
		what              string
		before, got, want uint64
	}{
		{"local hits", before.local, got.local, w.want.local},
		{"Redis hits", before.redis, got.redis, w.want.redis},
		{"loads", before.loads, got.loads, w.want.loads},
		{"statements", before.statements, got.statements, w.want.statements},
	} {
		n, want := a.got-a.before, a.want*uint64(b.N)
		if slack := uint64(3 * b.N / 100); n+slack < want || n > want+slack { // two may meet at one key
			b.Errorf("%d %s for %d messages, want %d", n, a.what, b.N, want)
		}
	}
}

func (w webhook) answers() (a answers) {
	for _, st := range w.service.Stats() {
		a.local += st.LocalHits
		a.redis += st.RedisHits
		a.loads += st.Loads
	}
	a.statements = w.database.Queries()
	return a
}
