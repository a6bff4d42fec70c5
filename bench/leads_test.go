package bench

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

const (
	organization = "b0c1b1c1-0000-0000-0000-000000000001"
	number       = "+17786528784"
)

// leadService returns a service on a connected Redis and a database of its own.
func leadService(b *testing.B) *leadsvc.Service {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	url := servertest.RedisURL(b)
	rdb, err := tiered.Dial(tiered.RedisOptions{URL: url, Prefix: servertest.Prefix(b, url), Timeout: 10 * time.Second, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rdb.Close() })
	db, err := pg.Open(b.Context(), pg.Options{URL: servertest.Schema(b, servertest.DatabaseURL(b)), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	s, err := leadsvc.New(rdb, db, leadsvc.Config{LeadTTL: time.Hour, OrganizationTTL: time.Hour, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	servertest.Eventually(b, 10*time.Second, func() bool { return rdb.Status().Connected }, "connection to Redis")
	return s
}

// BenchmarkFindOrCreateLead asks for one lead that the local tier holds, by its
// number as a carrier writes it.
func BenchmarkFindOrCreateLead(b *testing.B) {
	localHits(b, "lead", func(s *leadsvc.Service) error {
		_, err := s.FindOrCreateLead(b.Context(), number, organization)
		return err
	})
}

// BenchmarkOrganizationByPhone asks for one number that the local tier holds.
func BenchmarkOrganizationByPhone(b *testing.B) {
	localHits(b, "organization", func(s *leadsvc.Service) error {
		_, err := s.OrganizationByPhone(b.Context(), number)
		return err
	})
}

// localHits measures a call that is answered by the cache of that name.
func localHits(b *testing.B, name string, call func(*leadsvc.Service) error) {
	b.Helper()
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			s := leadService(b)
			for range 2 { // the call that makes a lead does not remember it
				if err := call(s); err != nil {
					b.Fatal(err)
				}
			}
			before := s.Stats()[name]
			callers(b, g, func(next func() bool) error {
				for next() {
					if err := call(s); err != nil {
						return err
					}
				}
				return nil
			})
			if st := s.Stats()[name]; st.LocalHits-before.LocalHits != st.Gets-before.Gets {
				b.Errorf("not all were local hits: %+v", st)
			}
		})
	}
}
