package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// many is for how many leads one call asks. Of many more, Redis would take the
// fills in several reads, which would count as so many round trips.
const many = 20

// BenchmarkGetMany asks for twenty leads in one call: that the local tier
// holds, that only Redis has, or that nobody has.
func BenchmarkGetMany(b *testing.B) {
	const turn = 1 << 14 // more calls than callers, so that none share a look
	b.Run("local", func(b *testing.B) {
		getMany(b, manyCase{options: tiered.Options{LocalEntries: 4 * many}, held: many, want: answers{local: many}})
	})
	b.Run("redis", func(b *testing.B) {
		getMany(b, manyCase{options: tiered.Options{LocalEntries: 1}, held: turn * 4, want: answers{redis: many}, trips: 1})
	})
	b.Run("miss", func(b *testing.B) { getMany(b, manyCase{want: answers{loads: many}, trips: 3}) })
}

// A manyCase is what twenty leads are asked of.
type manyCase struct {
	options tiered.Options
	held    int64   // leads that are asked for in turn; 0: new ones
	want    answers // to each call
	trips   int64   // to Redis, at most, of each call
}

func getMany(b *testing.B, c manyCase) {
	b.Helper()
	c.options.TTL = time.Hour
	src, w, prefix := new(manySource), newWire(b), servertest.Prefix(b, servertest.RedisURL(b))
	rdb := connected(b, tiered.RedisOptions{URL: servertest.RedisURL(b), Prefix: prefix})
	keyspace := tiered.Keyspace[string]{Name: "lead", Key: func(k string) string { return k }}
	cache, err := tiered.New(rdb, keyspace, src, c.options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cache.Close() })
	keys := keysOf(max(c.held, many))
	for i := 0; i < len(keys); i += many { // Redis has the scripts from here on, too
		if err := leadsIn(cache.GetMany(b.Context(), keys[i:min(i+many, len(keys))])); err != nil {
			b.Fatal(err)
		}
	}
	var turn atomic.Int64
	for _, g := range widths {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			ctx, before, calls, sent := b.Context(), cache.Stats(), src.calls.Load(), w.now(b)
			callers(b, g, func(next func() bool) error {
				for next() {
					if err := leadsIn(cache.GetMany(ctx, c.batch(keys, int(turn.Add(1))))); err != nil {
						return err
					}
				}
				return nil
			})
			sent = w.now(b).since(sent)
			n, st := uint64(b.N), since(cache.Stats(), before)
			slack := n * many / 100 // two may meet at one key
			if st.LocalHits+slack < c.want.local*n || st.RedisHits+slack < c.want.redis*n || st.Loads != c.want.loads*n || st.RedisErrors != 0 {
				b.Errorf("not what was to be measured, in %d calls: %+v", n, st)
			}
			if calls := src.calls.Load() - calls; c.want.loads > 0 && calls != int64(n) || c.want.loads == 0 && calls != 0 {
				b.Errorf("the source was asked %d times in %d calls", calls, n)
			}
			if g == 1 { // many callers share the room on the connection: each sends what there is room for
				sent.checkRoundTrips(b, int64(b.N), c.trips)
			}
			sent.reportRoundTrips(b, int64(b.N))
		})
	}
}

// batch returns the keys of the i-th call.
func (c manyCase) batch(keys []string, i int) []string {
	if c.held > 0 {
		first := i * many % (len(keys) / many * many)
		return keys[first : first+many]
	}
	batch, first := make([]string, many), fresh.Add(many)
	for j := range batch {
		batch[j] = keyOf(first - int64(j))
	}
	return batch
}

// leadsIn returns the first error among results, one for a value that is missing
// included.
func leadsIn(results []tiered.Result[pg.Lead]) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		if r.Value.ID == "" {
			return tiered.ErrNotFound
		}
	}
	return nil
}

// A manySource loads any number of leads at a time.
type manySource struct{ calls atomic.Int64 }

func (s *manySource) Load(_ context.Context, key string) (pg.Lead, error) {
	s.calls.Add(1)
	return lead(key), nil
}

func (s *manySource) LoadMany(_ context.Context, keys []string) (map[string]pg.Lead, error) {
	s.calls.Add(1)
	leads := make(map[string]pg.Lead, len(keys))
	for _, key := range keys {
		leads[key] = lead(key)
	}
	return leads, nil
}
