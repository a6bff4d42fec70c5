package tiered

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// ledger is a source of versions, with what has been said of them.
type ledger struct {
	maxStale time.Duration
	keys     []record
}

// A record is one key. Only its writer changes it.
type record struct {
	version atomic.Int64
	own     [3]atomic.Int64 // by node: the latest that its Invalidate returned for

	mu   sync.Mutex
	acks []delivery // in order
}

// A delivery says from when on everybody has been told of a version.
type delivery struct {
	version int64
	at      time.Time
}

func (g *ledger) Load(_ context.Context, key int) (int64, error) {
	return g.keys[key].version.Load(), nil
}

func (rec *record) acknowledge(version int64) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.acks = append(rec.acks, delivery{version, time.Now()})
}

// due returns the oldest version that a read on a node may return that begins
// now.
func (g *ledger) due(node, key int) int64 {
	rec, old := &g.keys[key], time.Now().Add(-g.maxStale)
	due := rec.own[node].Load()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, a := range slices.Backward(rec.acks) {
		if a.at.Before(old) {
			return max(due, a.version)
		}
	}
	return due
}

// write changes the keys of one node until done. What is pending counts as
// told when that node's journal is empty.
func (g *ledger) write(t *testing.T, done <-chan struct{}, node int, c *Cache[int, int64]) (changes int) {
	t.Helper()
	pending := make(map[int]int64)
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for key := node; ; key = (key + len(g.keys[0].own)) % len(g.keys) {
		select {
		case <-pace.C:
		case <-done:
			return changes
		}
		rec := &g.keys[key]
		version := rec.version.Add(1)
		err := c.Invalidate(t.Context(), key)
		rec.own[node].Store(version)
		delete(pending, key)
		switch {
		case err == nil:
			rec.acknowledge(version)
		case errors.Is(err, ErrPending):
			pending[key] = version
		default:
			t.Errorf("Invalidate on node %d = %v", node, err)
		}
		if len(pending) > 0 && c.redis.Status().Pending == 0 {
			for key, version := range pending {
				g.keys[key].acknowledge(version)
			}
			clear(pending)
		}
		changes++
	}
}

// read asks one node for all keys in turn until done.
func (g *ledger) read(t *testing.T, done <-chan struct{}, node int, c *Cache[int, int64]) (reads int) {
	t.Helper()
	pace := time.NewTicker(500 * time.Microsecond)
	defer pace.Stop()
	for ; ; reads++ {
		select {
		case <-pace.C:
		case <-done:
			return reads
		}
		key := reads % len(g.keys)
		due := g.due(node, key)
		got, err := c.Get(t.Context(), key)
		if err != nil || got < due {
			t.Errorf("Get(%d) on node %d = %d, %v, want %d at least", key, node, got, err, due)
		}
	}
}

// The switch of one node is flipped 100 times while all nodes read and write.
// No read is stale, none fails, and no goroutine is left. (It does not run
// beside other tests, as it counts goroutines.)
func TestSwitchStorm(t *testing.T) {
	const flips, nodes = 100, 3
	srv := servertest.Redis(t)
	goroutines := runtime.NumGoroutine()
	g := &ledger{maxStale: 300 * time.Millisecond, keys: make([]record, 30)}
	done := make(chan struct{})
	var work sync.WaitGroup
	stop := sync.OnceFunc(func() { close(done); work.Wait() })
	defer stop()
	var reads, changes atomic.Int64
	var links []*Redis
	var caches []*Cache[int, int64]
	for node := range nodes {
		r, err := Dial(RedisOptions{URL: srv.URL(), MaxStale: g.maxStale, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(r, Keyspace[int]{Name: "storm", Key: strconv.Itoa}, g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		connected(t, r)
		links, caches = append(links, r), append(caches, c)
		work.Go(func() { changes.Add(int64(g.write(t, done, node, c))) })
		for range 3 {
			work.Go(func() { reads.Add(int64(g.read(t, done, node, c))) })
		}
	}
	for i := range flips {
		on := i%2 == 1
		if err := links[0].SetEnabled(on); err != nil {
			t.Error(err)
		}
		if on && i%4 == 1 { // half of the times it comes to be used
			connected(t, links[0])
			hits := caches[0].Stats().LocalHits
			servertest.Eventually(t, 30*time.Second, func() bool { return caches[0].Stats().LocalHits > hits+100 }, "local hits")
		} else {
			gets := caches[0].Stats().Gets
			servertest.Eventually(t, 30*time.Second, func() bool { return caches[0].Stats().Gets > gets+20 }, "calls")
		}
	}
	stop()
	for node, r := range links {
		servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Pending == 0 }, fmt.Sprint("delivery by node ", node))
		caches[node].Close()
		r.Close()
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines }, "goroutines to end")
	t.Logf("%d reads, %d changes; local hits of the node that was flipped: %d", reads.Load(), changes.Load(), caches[0].Stats().LocalHits)
}
