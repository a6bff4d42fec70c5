package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// BenchmarkStampede has g callers on each of eight nodes ask at about one moment
// for a lead that nobody has. A load takes 2 ms. The time is that until all are
// answered; loads/op says how often the source was asked meanwhile, which is
// once.
func BenchmarkStampede(b *testing.B) {
	f := newFleet(b, 8, 10_000)
	f.takes = 2 * time.Millisecond
	for _, g := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint("g=", g), func(b *testing.B) {
			loads, before := f.loads.Load(), f.stats()
			b.ReportAllocs()
			for b.Loop() {
				if err := f.stampede(b.Context(), g, keyOf(fresh.Add(1))); err != nil {
					b.Fatal(err)
				}
			}
			loads = f.loads.Load() - loads
			if loads != int64(b.N) {
				b.Errorf("%d loads in %d stampedes, want one each: %+v", loads, b.N, f.stats())
			}
			b.ReportMetric(float64(loads)/float64(b.N), "loads/op")
			for i, now := range f.stats() {
				if st := since(now, before[i]); st.Gets != uint64(g*b.N) || st.RedisErrors != 0 {
					b.Errorf("node %d did not ask %d times: %+v", i, g*b.N, st)
				}
			}
		})
	}
}

// stampede has g callers on each node ask for key.
func (f *fleet) stampede(ctx context.Context, g int, key string) error {
	var all errgroup.Group
	for range g {
		for _, n := range f.nodes {
			all.Go(func() error {
				_, err := n.Get(ctx, key)
				return err
			})
		}
	}
	return all.Wait()
}
