package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/tiered"
)

// BenchmarkInvalidate measures the writer's call, for a lead that the writer
// and so many other nodes hold. All are in this process and on its processors,
// so what the others do when they hear of it is measured, too.
func BenchmarkInvalidate(b *testing.B) {
	for _, others := range []int{0, 3} {
		b.Run(fmt.Sprint("others=", others), func(b *testing.B) {
			w := newInvalidation(b, others)
			for _, g := range widths {
				b.Run(fmt.Sprint("g=", g), func(b *testing.B) { w.measure(b, g) })
			}
		})
	}
}

// held is how many leads the nodes hold before the timer is started. One is
// invalidated by one caller.
const held = 4096

// An invalidation is by the first node of a fleet.
type invalidation struct {
	*fleet
	wire
	keys []string
}

func newInvalidation(b *testing.B, others int) invalidation {
	b.Helper()
	i := invalidation{newFleet(b, 1+others, 4*held), newWire(b), keysOf(held)}
	i.hold(b, 1)
	if err := i.invalidate(b.Context(), 1, 1); err != nil { // the server has the scripts from here on
		b.Fatal(err)
	}
	return i
}

func (w invalidation) measure(b *testing.B, g int) {
	b.Helper()
	before := w.stats()
	var trips int64
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(b.N-done, held)
		b.StopTimer()
		w.hold(b, n)
		sent := w.now(b)
		b.StartTimer()
		err := w.invalidate(b.Context(), g, n)
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		sent = w.now(b).since(sent)
		if sent.calls["evalsha"] != int64(n) {
			b.Errorf("%d invalidations took other commands than one script each: %v", n, sent.calls)
		}
		trips += sent.roundTrips()
		done += n
		w.awaitNews(b, before, done)
	}
	if trips > int64(b.N+b.N/100) {
		b.Errorf("%d round trips for %d invalidations", trips, b.N)
	}
	b.ReportMetric(float64(trips)/float64(b.N), "round-trips/op")
}

// hold puts the first n leads into the local tier of each node.
func (w invalidation) hold(b *testing.B, n int) {
	b.Helper()
	for _, node := range w.nodes {
		keep(b, node, w.keys[:n])
	}
}

// invalidate has g callers invalidate the first n leads.
func (w invalidation) invalidate(ctx context.Context, g, n int) error {
	return each(n, g, func(i int) error { return w.nodes[0].Invalidate(ctx, w.keys[i]) })
}

// awaitNews waits until the other nodes have dropped so many leads since before:
// they did hold them, and do no more.
func (w invalidation) awaitNews(b *testing.B, before []tiered.Stats, dropped int) {
	b.Helper()
	for i, node := range w.nodes[1:] {
		servertest.Eventually(b, 30*time.Second, func() bool {
			return since(node.Stats(), before[1+i]).Pushes == uint64(dropped)
		}, "another node to drop what it held")
	}
}
