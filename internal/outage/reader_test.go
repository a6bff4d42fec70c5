//go:build unix

package outage

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/pause"
	"leadcache/tiered"
)

// fewReads is after how many loads, or looks past the local tier, a test's
// readers end.
const fewReads = 4

// newReader returns a reader of one node without Redis, whose own work takes as
// long as slowly, and whose loads are do.
func newReader(t *testing.T, slowly time.Duration, do load) *reader {
	t.Helper()
	c := clock{time.Now()}
	open := func(n *node, do load) *node {
		var err error
		if n.redis, err = tiered.Dial(tiered.RedisOptions{Disabled: true, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.close)
		n.cache, err = tiered.New(n.redis, tiered.Keyspace[int]{Name: "slow", Key: func(k int) string {
			pause.For(context.Background(), slowly)
			return strconv.Itoa(k)
		}}, do, tiered.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := &node{loads: loads{clock: c, last: make([]atomic.Pointer[span], 1)}}
	open(n, n.loads.timed(do))
	return &reader{
		fleet: &fleet{nodes: []*node{n}, alone: open(new(node), takeRest)}, clock: c,
		writes: &writes{maxStale: time.Second, latest: make([]atomic.Pointer[write], 1)},
	}
}

// until is a load that ends a context after some.
func until(cancel context.CancelFunc, do load) load {
	var n atomic.Int64
	return func(ctx context.Context, key int) (int64, error) {
		if n.Add(1) == fewReads {
			cancel()
		}
		return do(ctx, key)
	}
}

func TestReaderNotesWaits(t *testing.T) {
	t.Parallel()
	const long = 20 * ms
	ctx, cancel := context.WithCancel(t.Context())
	r := newReader(t, long, until(cancel, func(context.Context, int) (int64, error) { return 1, nil }))
	r.burst(ctx, time.Hour)
	if len(r.waits.all()) == 0 {
		t.Error("no waits, want those beside the loads")
	}
	for _, w := range r.waits.all() {
		if w.took < long {
			t.Errorf("a wait of %v, want at least %v", w.took, long)
		}
	}
	r.rest(t.Context())
	if held := r.pauses.all(); len(held) != 1 || held[0].took < long {
		t.Errorf("pauses %v, want one of at least %v", held, long)
	}
}

func TestReaderDeductsLoads(t *testing.T) {
	t.Parallel()
	const long = 20 * ms
	ctx, cancel := context.WithCancel(t.Context())
	r := newReader(t, 0, until(cancel, func(ctx context.Context, _ int) (int64, error) {
		pause.For(context.WithoutCancel(ctx), long)
		return 1, nil
	}))
	r.burst(ctx, time.Hour)
	for _, w := range r.waits.all() { // there are none but on a busy machine
		if w.took > w.read.length()-long {
			t.Errorf("a wait of %v in a read of %v, want the load of %v deducted", w.took, w.read.length(), long)
		}
	}
	if n := len(r.fleet.nodes[0].loads.began); n != fewReads {
		t.Errorf("%d loads were noted, want %d", n, fewReads)
	}
}

func TestReaderCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		latest      *write // of the key
		err         error
		errors, old uint64
	}{
		{"right answers", &write{version: 1, at: -time.Hour}, nil, 0, 0},
		{"errors", nil, errors.New("no"), burst, 0}, // after the second, without a load
		{"old answers", &write{version: 2, at: -time.Hour}, nil, 0, fewReads - 1},
		{"answers that may be old", &write{version: 2, at: time.Hour}, nil, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			r := newReader(t, 0, until(cancel, func(context.Context, int) (int64, error) { return 1, test.err }))
			if test.latest != nil {
				r.writes.latest[0].Store(test.latest)
			}
			r.burst(ctx, time.Hour)
			if r.errors.Load() != test.errors || r.old.Load() != test.old {
				t.Errorf("%d errors and %d old answers, want %d and %d", r.errors.Load(), r.old.Load(), test.errors, test.old)
			}
		})
	}
}
