package bench

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"leadcache/pg"
	"leadcache/tiered"
)

// allLeads is how many leads there are where a Zipf distribution picks one.
const allLeads = 100_000

// once reports whether each benchmark runs once only, to see whether it works.
// Then no time is worth reading, and those that only have times fill less.
func once() bool { return flag.Lookup("test.benchtime").Value.String() == "1x" }

const organization = "b0c1b1c1-0000-0000-0000-000000000001"

// keyOf returns the n-th key: 48 bytes, an organization and a number.
func keyOf(n int64) string { return fmt.Sprintf("%s:1%010d", organization, n) }

// keysOf returns the first n keys.
func keysOf(n int64) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = keyOf(int64(i))
	}
	return keys
}

// fresh numbers the keys that nobody has asked for yet, and nobody else uses.
var fresh atomic.Int64

func init() { fresh.Store(1_000_000) }

// lead returns the lead of key, about 520 bytes as JSON.
func lead(key string) pg.Lead {
	day := time.Date(2025, 3, 14, 15, 9, 26, 535897000, time.UTC)
	return pg.Lead{
		ID:                    key[len(organization)+1:],
		OrganizationID:        organization,
		PhoneNumber:           "+17786528784",
		PhoneNumberNormalized: "17786528784",
		CustomerName:          pgtype.Text{String: "Robin Example", Valid: true},
		Email:                 pgtype.Text{String: "robin@example.com", Valid: true},
		Status:                "contacted",
		Sentiment:             "neutral",
		BikeInterest:          `{"type":"road","budget":{"min":1500,"max":3000},"brand":"any"}`,
		QualificationData:     `{"ready_to_buy":false,"timeline":"spring","purchase_intent":0.4}`,
		CreatedAt:             day,
		UpdatedAt:             day,
	}
}

// A source is what caches load leads from.
type source struct {
	takes time.Duration // of each load
	loads atomic.Int64
}

func (s *source) load(ctx context.Context, key string) (pg.Lead, error) {
	s.loads.Add(1)
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return pg.Lead{}, ctx.Err()
		}
	}
	return lead(key), nil
}

// keep asks for all keys once, by 64 callers.
func keep[V any](b *testing.B, cache *tiered.Cache[string, V], keys []string) {
	b.Helper()
	err := each(len(keys), 64, func(i int) error {
		_, err := cache.Get(b.Context(), keys[i])
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// each calls do with all numbers below n, by g goroutines.
func each(n, g int, do func(i int) error) error {
	var turn atomic.Int64
	var all errgroup.Group
	for range min(n, g) {
		all.Go(func() error {
			for i := int(turn.Add(1)) - 1; i < n; i = int(turn.Add(1)) - 1 {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// An order is in which order keys are asked for, by their numbers; it begins
// again at its end. Its length is a power of two.
type order []uint32

func (o order) at(i int) uint32 { return o[i&(len(o)-1)] }

// zipf is a million or so of the first n leads, the i-th as often as a Zipf
// distribution (1.01) has it.
func zipf(n int64) order {
	z, o := newZipf(n), make(order, 1<<20)
	for i := range o {
		o[i] = uint32(z.Uint64())
	}
	return o
}

func newZipf(n int64) *rand.Zipf {
	return rand.NewZipf(rand.New(rand.NewSource(1)), 1.01, 1, uint64(n-1))
}

// inTurn is one after the other.
func inTurn(n int64) order {
	o := make(order, n)
	for i := range o {
		o[i] = uint32(i)
	}
	return o
}
