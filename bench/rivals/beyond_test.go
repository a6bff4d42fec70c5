package rivals

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// A redisCase measures what goes past the local tier.
type redisCase struct {
	widths  []int
	keys    int64         // that are kept before
	takes   time.Duration // of a load
	measure func(b *testing.B, s *subject, g int)
}

func beyond(b *testing.B, c redisCase) {
	b.Helper()
	for _, r := range rivals {
		if !r.redis {
			continue
		}
		s := subject{source: source{takes: c.takes}}
		get, end := s.open(b, r, 1, keysOf(0, c.keys))
		b.Run(r.name, func(b *testing.B) {
			for _, g := range c.widths {
				b.Run(fmt.Sprint("g=", g), func(b *testing.B) { c.measure(b, get(), g) })
			}
		})
		end()
	}
}

func redisHit(b *testing.B, s *subject, g int) {
	b.Helper()
	keys, ctx := keysOf(0, redisKeys), b.Context()
	loads, hits := s.loads.Load(), redisStat(b, "keyspace_hits")
	var turn atomic.Int64
	callers(b, g, func(next func() bool) error {
		for next() {
			if err := s.ask(ctx, keys[turn.Add(1)%redisKeys]); err != nil {
				return err
			}
		}
		return nil
	})
	if n := s.loads.Load() - loads; n != 0 {
		b.Errorf("%d loads in %d asks, want none", n, b.N)
	}
	if n := redisStat(b, "keyspace_hits") - hits; n < int64(b.N)*99/100 {
		b.Errorf("%d hits of Redis in %d asks", n, b.N)
	}
}

// fresh numbers the keys that nobody has asked for yet.
var fresh atomic.Int64

func miss(b *testing.B, s *subject, g int) {
	b.Helper()
	ctx, loads, first := b.Context(), s.loads.Load(), fresh.Load()+1
	callers(b, g, func(next func() bool) error {
		for next() {
			if err := s.ask(ctx, keyOf(fresh.Add(1))); err != nil {
				return err
			}
		}
		return nil
	})
	if n := s.loads.Load() - loads; n != int64(b.N) {
		b.Errorf("%d loads in %d asks, want one each", n, b.N)
	}
	unlink(b, s.prefix, keysOf(first, fresh.Load()+1)) // a run makes some 100 MB
}

func stampede(b *testing.B, s *subject, g int) {
	b.Helper()
	ctx, loads := b.Context(), s.loads.Load()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.stampede(ctx, g); err != nil {
			b.Fatal(err)
		}
	}
	n := s.loads.Load() - loads
	if n < int64(b.N) {
		b.Errorf("%d loads in %d stampedes", n, b.N)
	}
	b.ReportMetric(float64(n)/float64(b.N), "loads/op")
}

// stampede has g callers ask for one key that nobody has.
func (s *subject) stampede(ctx context.Context, g int) error {
	key := keyOf(fresh.Add(1))
	var all errgroup.Group
	for range g {
		all.Go(func() error { return s.ask(ctx, key) })
	}
	return all.Wait()
}
