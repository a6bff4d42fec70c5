package bench

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/tiered"
)

// BenchmarkLocalHit asks for leads that the local tier holds: one, or all of
// them in a Zipf mix.
func BenchmarkLocalHit(b *testing.B) {
	b.Run("hot", func(b *testing.B) { localHit(b, 1, order{0}) })
	b.Run("zipf", func(b *testing.B) { localHit(b, mixed(), zipf(mixed())) })
}

func localHit(b *testing.B, leads int64, o order) {
	b.Helper()
	const apart = 611_953 // the callers, in the order
	keys := keysOf(leads)
	cache := leadCache(b, tiered.Options{TTL: time.Hour, LocalEntries: 2 * allLeads}) // room for all, in each shard
	keep(b, cache, keys)
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			ctx, before := b.Context(), cache.Stats()
			var begun atomic.Int64
			callers(b, g, func(next func() bool) error {
				for i := int(begun.Add(1)) * apart; next(); i++ {
					if _, err := cache.Get(ctx, keys[o.at(i)]); err != nil {
						return err
					}
				}
				return nil
			})
			if st := since(cache.Stats(), before); st.Gets != uint64(b.N) || st.LocalHits != st.Gets {
				b.Errorf("not all were local hits: %+v", st)
			}
		})
	}
}

// BenchmarkRedisHit asks for leads that Redis has and a local tier of one entry
// has not: more in turn than there are callers, so that none share a look, or
// all of them in a Zipf mix, where some do.
func BenchmarkRedisHit(b *testing.B) {
	turn := int64(1 << 14)
	if once() {
		turn = 1 << 8
	}
	b.Run("turn", func(b *testing.B) { redisHit(b, turn, inTurn(turn), 0.99) })
	b.Run("zipf", func(b *testing.B) { redisHit(b, mixed(), zipf(mixed()), 0.5) })
}

// redisHit checks that Redis answered at least that part of the calls, with one
// command each, and nobody loaded.
func redisHit(b *testing.B, leads int64, o order, part float64) {
	b.Helper()
	keys, w := keysOf(leads), newWire(b)
	cache := leadCache(b, tiered.Options{TTL: time.Hour, LocalEntries: 1})
	keep(b, cache, keys)
	var turn atomic.Int64
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			ctx, before, sent := b.Context(), cache.Stats(), w.now(b)
			callers(b, g, func(next func() bool) error {
				for next() {
					if _, err := cache.Get(ctx, keys[o.at(int(turn.Add(1)))]); err != nil {
						return err
					}
				}
				return nil
			})
			sent = w.now(b).since(sent)
			st := since(cache.Stats(), before)
			few := st.Gets < 100 // chance may have most of them be of the one entry that is here
			if st.Loads != 0 || st.RedisErrors != 0 || !few && float64(st.RedisHits) < part*float64(st.Gets) {
				b.Errorf("not all were Redis hits: %+v", st)
			}
			if gets := sent.calls["get"]; gets != int64(st.RedisHits) || sent.calls["evalsha"] != 0 || sent.calls["set"] != 0 {
				b.Errorf("%d hits of Redis took more than a GET each: %v", st.RedisHits, sent.calls)
			}
			sent.checkRoundTrips(b, int64(b.N), 1)
			sent.reportRoundTrips(b, int64(b.N))
		})
	}
}

// mixed is how many leads are in a mix.
func mixed() int64 {
	if once() {
		return 1000
	}
	return allLeads
}

// since returns what a cache has done since before, apart from what says how it
// is now.
func since(now, before tiered.Stats) tiered.Stats {
	return tiered.Stats{
		Gets:        now.Gets - before.Gets,
		LocalHits:   now.LocalHits - before.LocalHits,
		Shared:      now.Shared - before.Shared,
		Flights:     now.Flights - before.Flights,
		RedisHits:   now.RedisHits - before.RedisHits,
		Loads:       now.Loads - before.Loads,
		LoadErrors:  now.LoadErrors - before.LoadErrors,
		RedisErrors: now.RedisErrors - before.RedisErrors,
		Pushes:      now.Pushes - before.Pushes,
	}
}
