package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// manyLeads loads several leads as fast as one.
type manyLeads struct{ latency time.Duration }

func (l manyLeads) wait(ctx context.Context) error {
	select {
	case <-time.After(l.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l manyLeads) Load(ctx context.Context, id string) (pg.Lead, error) {
	return lead(id), l.wait(ctx)
}

func (l manyLeads) LoadMany(ctx context.Context, ids []string) (map[string]pg.Lead, error) {
	leads := make(map[string]pg.Lead, len(ids))
	for _, id := range ids {
		leads[id] = lead(id)
	}
	return leads, l.wait(ctx)
}

// BenchmarkMany asks for 50 keys: with GetMany, with one Get after another, and
// with as many goroutines. The keys are in the local tier, in Redis alone, or
// nowhere; a load takes a millisecond. One operation is all 50.
func BenchmarkMany(b *testing.B) {
	const keys = 50
	ways := []struct {
		name string
		ask  func(context.Context, *tiered.Cache[string, pg.Lead], []string) error
	}{
		{"GetMany", func(ctx context.Context, c *tiered.Cache[string, pg.Lead], names []string) error {
			for _, r := range c.GetMany(ctx, names) {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		}},
		{"one after another", func(ctx context.Context, c *tiered.Cache[string, pg.Lead], names []string) error {
			for _, name := range names {
				if _, err := c.Get(ctx, name); err != nil {
					return err
				}
			}
			return nil
		}},
		{"goroutines", func(ctx context.Context, c *tiered.Cache[string, pg.Lead], names []string) error {
			var all sync.WaitGroup
			var failed atomic.Pointer[error]
			for _, name := range names {
				all.Go(func() {
					if _, err := c.Get(ctx, name); err != nil {
						failed.Store(&err)
					}
				})
			}
			all.Wait()
			if err := failed.Load(); err != nil {
				return *err
			}
			return nil
		}},
	}
	for _, from := range []struct {
		name    string
		entries int // of the local tier
		again   bool
	}{{"local", 1000, true}, {"redis", 1, true}, {"miss", 1, false}} {
		for _, way := range ways {
			b.Run(from.name+"/"+way.name, func(b *testing.B) {
				rdb := connected(b, tiered.RedisOptions{URL: servertest.RedisURL(b), Prefix: servertest.Prefix(b, servertest.RedisURL(b))})
				space := tiered.Keyspace[string]{Name: "lead", Key: func(k string) string { return k }}
				o := tiered.Options{TTL: time.Hour, LocalEntries: from.entries}
				cache, err := tiered.New(rdb, space, manyLeads{latency: time.Millisecond}, o)
				if err != nil {
					b.Fatal(err)
				}
				defer cache.Close()
				names := make([]string, keys)
				name := func(round int) {
					for i := range names {
						names[i] = keyOf(int64(round*keys + i))
					}
				}
				name(0)
				if err := ways[0].ask(b.Context(), cache, names); err != nil {
					b.Fatal(err)
				}
				before := cache.Stats()
				n := 0
				for b.Loop() {
					n++
					if !from.again {
						name(n)
					}
					if err := way.ask(b.Context(), cache, names); err != nil {
						b.Fatal(err)
					}
				}
				st, asked := cache.Stats(), uint64(n*keys)
				got := map[string]uint64{
					"local": st.LocalHits - before.LocalHits,
					"redis": st.RedisHits - before.RedisHits,
					"miss":  st.Loads - before.Loads,
				}[from.name]
				if got+asked/25 < asked || st.RedisErrors != 0 { // the local tier keeps one of them
					b.Errorf("%d of %d keys were what they should be: %+v", got, asked, st)
				}
			})
		}
	}
}
