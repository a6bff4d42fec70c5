//go:build unix

package outage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"leadcache/internal/pause"
	"leadcache/tiered"
)

// writeEvery is the pause between two changes: so many that there is always
// something to load, too few to matter to the database.
const writeEvery = 100 * time.Millisecond

// writes has, of each key, the latest version whose invalidation Redis has
// acknowledged, and when.
type writes struct {
	maxStale time.Duration
	latest   []atomic.Pointer[write]
}

type write struct {
	version int64
	at      time.Duration
}

// old reports whether a read that began at start must not have found that
// version any more.
func (w *writes) old(key int, version int64, start time.Duration) bool {
	latest := w.latest[key].Load()
	return latest != nil && version < latest.version && start > latest.at+w.maxStale
}

// A writer changes random keys, on random nodes.
type writer struct {
	stage  *stage
	fleet  *fleet
	clock  clock
	writes *writes
	errors atomic.Uint64

	pending map[*node]map[int]int64 // versions whose invalidation waits in a node's journal, by key
}

// run writes until ctx ends. An error is one of the database.
func (w *writer) run(ctx context.Context) error {
	for pause.For(ctx, writeEvery) {
		if err := w.write(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("change a row: %w", err)
		}
		w.delivered()
	}
	return nil
}

func (w *writer) write(ctx context.Context) error {
	key := rand.IntN(len(w.writes.latest))
	version, err := w.stage.change(ctx, key)
	if err != nil {
		return err
	}
	n := w.fleet.nodes[rand.IntN(len(w.fleet.nodes))]
	switch err := n.cache.Invalidate(ctx, key); {
	case err == nil:
		w.writes.latest[key].Store(&write{version, w.clock.now()})
	case errors.Is(err, tiered.ErrPending):
		if w.pending == nil {
			w.pending = make(map[*node]map[int]int64)
		}
		if w.pending[n] == nil {
			w.pending[n] = make(map[int]int64)
		}
		w.pending[n][key] = version
	case !errors.Is(err, tiered.ErrPending) && ctx.Err() == nil:
		w.errors.Add(1)
	}
	return nil
}

// delivered notes what the nodes have delivered late: nothing is pending there
// any more.
func (w *writer) delivered() {
	for n, keys := range w.pending {
		if n.redis.Status().Pending > 0 {
			continue
		}
		for key, version := range keys {
			if last := w.writes.latest[key].Load(); last == nil || last.version < version {
				w.writes.latest[key].Store(&write{version, w.clock.now()})
			}
		}
		delete(w.pending, n)
	}
}
