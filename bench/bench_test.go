package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// leadCache returns a cache of leads on a connected Redis. Its loader needs no
// time, so that only the cache is measured.
func leadCache(b *testing.B, o tiered.Options) *tiered.Cache[string, pg.Lead] {
	b.Helper()
	load := tiered.LoaderFunc[string, pg.Lead](func(_ context.Context, k string) (pg.Lead, error) { return lead(k), nil })
	return node(b, servertest.Prefix(b, servertest.RedisURL(b)), load, o)
}

// node returns a cache of what load loads, on a link to Redis of its own.
func node[V any](b *testing.B, prefix string, load tiered.Loader[string, V], o tiered.Options) *tiered.Cache[string, V] {
	b.Helper()
	rdb, err := tiered.Dial(tiered.RedisOptions{
		URL:     servertest.RedisURL(b),
		Prefix:  prefix,
		Timeout: 10 * time.Second,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rdb.Close() })
	servertest.Eventually(b, 10*time.Second, func() bool { return rdb.Status().Connected }, "connection to Redis")

	keys := tiered.Keyspace[string]{Name: "lead", Key: func(k string) string { return k }}
	cache, err := tiered.New(rdb, keys, load, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cache.Close() })
	return cache
}

func lead(id string) pg.Lead {
	day := time.Date(2025, 3, 14, 15, 9, 26, 535897000, time.UTC)
	return pg.Lead{
		ID:                    id,
		OrganizationID:        "b0c1b1c1-0000-0000-0000-000000000001",
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

// widths are the numbers of concurrent callers that are measured.
var widths = []int{1, 64}

// callers runs body on g goroutines. Each calls next before each of its calls,
// until that returns false.
func callers(b *testing.B, g int, body func(next func() bool) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	if g == 1 {
		if err := body(b.Loop); err != nil {
			b.Fatal(err)
		}
		return
	}
	b.SetParallelism(max(1, g/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		if err := body(pb.Next); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkLocalHit asks for one key that the local tier holds.
func BenchmarkLocalHit(b *testing.B) {
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			cache := leadCache(b, tiered.Options{TTL: time.Hour})
			ctx := b.Context()
			if _, err := cache.Get(ctx, "hot"); err != nil {
				b.Fatal(err)
			}
			callers(b, g, func(next func() bool) error {
				for next() {
					if _, err := cache.Get(ctx, "hot"); err != nil {
						return err
					}
				}
				return nil
			})
			if st := cache.Stats(); st.Loads != 1 || st.LocalHits+1 != st.Gets {
				b.Errorf("not all were local hits: %+v", st)
			}
		})
	}
}

// BenchmarkRedisHit asks in turn for keys that Redis has and a local tier of
// one entry has not.
func BenchmarkRedisHit(b *testing.B) {
	const keys = 1000
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			cache := leadCache(b, tiered.Options{TTL: time.Hour, LocalEntries: 1})
			ctx := b.Context()
			names := make([]string, keys)
			for i := range names {
				names[i] = fmt.Sprint("lead ", i)
				if _, err := cache.Get(ctx, names[i]); err != nil {
					b.Fatal(err)
				}
			}
			var turn atomic.Int64
			callers(b, g, func(next func() bool) error {
				for next() {
					if _, err := cache.Get(ctx, names[turn.Add(1)%keys]); err != nil {
						return err
					}
				}
				return nil
			})
			if st := cache.Stats(); st.Loads != keys || st.RedisErrors != 0 {
				b.Errorf("not all were Redis hits: %+v", st)
			}
		})
	}
}

// BenchmarkMiss asks for keys that nobody has: look in Redis, lease, load, fill.
func BenchmarkMiss(b *testing.B) {
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			cache := leadCache(b, tiered.Options{})
			ctx := b.Context()
			var turn atomic.Int64
			callers(b, g, func(next func() bool) error {
				for next() {
					if _, err := cache.Get(ctx, fmt.Sprint("lead ", turn.Add(1))); err != nil {
						return err
					}
				}
				return nil
			})
			if st := cache.Stats(); st.Loads != st.Gets || st.RedisErrors != 0 {
				b.Errorf("not all were misses: %+v", st)
			}
		})
	}
}
