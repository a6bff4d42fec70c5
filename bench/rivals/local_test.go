package rivals

import (
	"math/rand"
	"runtime"
	"sync/atomic"
	"testing"
)

// local measures hits of the local tiers, on keys in that order, which begins
// again at its end. Its length is a power of two.
func local(b *testing.B, keys []string, order []uint32) {
	b.Helper()
	for _, r := range rivals {
		if !r.local {
			continue
		}
		var s subject
		get, end := s.open(b, r, 2*localKeys, keys) // room for all, in each shard
		b.Run(r.name, func(b *testing.B) { localHits(b, get(), keys, order) })
		end()
	}
}

func localHits(b *testing.B, s *subject, keys []string, order []uint32) {
	b.Helper()
	const apart = 611_953 // the goroutines, in the order
	ctx, loads, commands := b.Context(), s.loads.Load(), redisStat(b, "total_commands_processed")
	var begun atomic.Int64
	callers(b, runtime.GOMAXPROCS(0), func(next func() bool) error {
		for i := int(begun.Add(1)) * apart; next(); i++ {
			if err := s.ask(ctx, keys[order[i&(len(order)-1)]]); err != nil {
				return err
			}
		}
		return nil
	})
	if n := s.loads.Load() - loads; n != 0 {
		b.Errorf("%d loads in %d asks, want none", n, b.N)
	}
	// Other connections, and beats of our own, send a few.
	if n := redisStat(b, "total_commands_processed") - commands; n > int64(b.N)/10+1000 {
		b.Errorf("%d commands of Redis in %d asks of a local tier", n, b.N)
	}
}

// zipf returns a sequence of a million or so numbers below n, the smallest the
// most often.
func zipf(n uint64) []uint32 {
	z := newZipf(n)
	order := make([]uint32, 1<<20)
	for i := range order {
		order[i] = uint32(z.Uint64())
	}
	return order
}

func newZipf(n uint64) *rand.Zipf {
	return rand.NewZipf(rand.New(rand.NewSource(1)), 1.01, 1, n-1)
}
