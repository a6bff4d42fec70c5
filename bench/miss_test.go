package bench

import (
	"fmt"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/tiered"
)

// BenchmarkMiss asks for leads that nobody has: look in Redis, lease, load, fill.
// The load is free; a new key for each call costs two allocations.
func BenchmarkMiss(b *testing.B) {
	prefix, w := servertest.Prefix(b, servertest.RedisURL(b)), newWire(b)
	cache := node(b, prefix, new(source).load, tiered.Options{TTL: time.Hour})
	keep(b, cache, keysOf(1)) // the server has the script from here on
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			first := fresh.Load() + 1
			ctx, before, sent := b.Context(), cache.Stats(), w.now(b)
			callers(b, g, func(next func() bool) error {
				for next() {
					if _, err := cache.Get(ctx, keyOf(fresh.Add(1))); err != nil {
						return err
					}
				}
				return nil
			})
			sent = w.now(b).since(sent)
			if st := since(cache.Stats(), before); st.Gets != uint64(b.N) || st.Loads != st.Gets || st.RedisErrors != 0 {
				b.Errorf("not all were misses: %+v", st)
			}
			sent.checkRoundTrips(b, int64(b.N), 3)
			sent.reportRoundTrips(b, int64(b.N))

			var keys []string // a run makes some tens of megabytes
			for n := first; n <= fresh.Load(); n++ {
				keys = append(keys, keyOf(n))
			}
			w.unlink(b, prefix, keys)
		})
	}
}
