package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// BenchmarkFindOrCreateLead asks for one lead that the local tier holds: the
// service, by the number as a carrier writes it, and, beside it, a plain cache
// of leads under a key of the same shape. Either copies the lead once. What the
// service adds is to read the number, and to check that the lead is the one that
// was asked for.
func BenchmarkFindOrCreateLead(b *testing.B) {
	db := newDatabase(b, 1)
	s := newService(b, db, prefixed(b), leadsvc.Config{})
	c := db.callers[0]
	org, err := s.OrganizationByPhone(b.Context(), c.to)
	if err != nil {
		b.Fatal(err)
	}
	leads, key := structCache(b, c.from, org.ID)
	for _, g := range widths {
		b.Run(fmt.Sprint("service/g=", g), func(b *testing.B) {
			localHits(b, g, func() tiered.Stats { return s.Stats()["lead"] }, func(ctx context.Context) error {
				_, err := s.FindOrCreateLead(ctx, c.from, org.ID)
				return err
			})
		})
		b.Run(fmt.Sprint("get/g=", g), func(b *testing.B) {
			localHits(b, g, leads.Stats, func(ctx context.Context) error {
				_, err := leads.Get(ctx, key)
				return err
			})
		})
	}
}

// BenchmarkOrganizationByPhone asks for one number that the local tier holds.
func BenchmarkOrganizationByPhone(b *testing.B) {
	db := newDatabase(b, 1)
	s := newService(b, db, prefixed(b), leadsvc.Config{})
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			localHits(b, g, func() tiered.Stats { return s.Stats()["organization"] }, func(ctx context.Context) error {
				_, err := s.OrganizationByPhone(ctx, db.callers[0].to)
				return err
			})
		})
	}
}

// A leadKey is like the service's.
type leadKey struct {
	phone leadsvc.Phone
	org   string
}

// structCache returns a cache of leads, and the key of the one with that number.
func structCache(b *testing.B, number, org string) (*tiered.Cache[leadKey, pg.Lead], leadKey) {
	b.Helper()
	phone, err := leadsvc.ParsePhone(number)
	if err != nil {
		b.Fatal(err)
	}
	o := prefixed(b)
	o.URL = servertest.RedisURL(b)
	keys := tiered.Keyspace[leadKey]{Name: "lead", Key: func(k leadKey) string { return k.phone.String() + ":" + k.org }}
	load := func(_ context.Context, k leadKey) (pg.Lead, error) { return lead(keyOf(0)), nil }
	cache, err := tiered.New(connected(b, o), keys, tiered.LoaderFunc[leadKey, pg.Lead](load), tiered.Options{TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cache.Close() })
	return cache, leadKey{phone, org}
}

// localHits measures a call that the cache with those stats answers.
func localHits(b *testing.B, g int, stats func() tiered.Stats, call func(context.Context) error) {
	b.Helper()
	ctx := b.Context()
	if err := call(ctx); err != nil { // the first of all loads
		b.Fatal(err)
	}
	before := stats()
	callers(b, g, func(next func() bool) error {
		for next() {
			if err := call(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if st := since(stats(), before); st.Gets != uint64(b.N) || st.LocalHits != st.Gets {
		b.Errorf("not all were local hits: %+v", st)
	}
}

func prefixed(b *testing.B) tiered.RedisOptions {
	b.Helper()
	return tiered.RedisOptions{Prefix: servertest.Prefix(b, servertest.RedisURL(b))}
}
