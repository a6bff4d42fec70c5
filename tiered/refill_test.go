package tiered

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// TestRefillAfterFlushAll: 10,000 keys that three nodes hold and read all the
// time, when Redis loses them all. The fleet loads each once.
func TestRefillAfterFlushAll(t *testing.T) {
	t.Parallel()
	const nodes, readers, keys = 3, 8, 10_000
	server := servertest.Redis(t)
	src := new(source)
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprint("k", i)
	}
	var caches []*Cache[string, string]
	for range nodes {
		// A machine that is busy must neither end the freshness lease, after
		// which a flight is not shared for long, nor the patience of those who
		// wait for another node.
		r := dial(t, RedisOptions{URL: server.URL(), MaxStale: time.Minute})
		caches = append(caches, newCache(t, r, src, Options{LocalEntries: 4 * keys, WaitForFill: time.Minute, LoadTimeout: time.Minute}))
	}
	// readAll has every node read all keys, from different places on, until
	// done says that this was the last time.
	readAll := func(done func(node int) bool) *sync.WaitGroup {
		var wg sync.WaitGroup
		for n, c := range caches {
			for r := range readers {
				wg.Go(func() {
					for last := false; !last; {
						last = done(n)
						for i := range names {
							key := names[(i+(n*readers+r)*keys/(nodes*readers))%keys]
							if v, err := c.Get(t.Context(), key); err != nil || v != key+"@0" {
								t.Errorf("Get(%q) = %q, %v", key, v, err)
								return
							}
						}
					}
				})
			}
		}
		return &wg
	}
	readAll(func(int) bool { return true }).Wait()
	if n := src.loads.Load(); n != keys {
		t.Fatalf("%d loads to begin with, want one for each key", n)
	}
	var before [nodes]uint64
	for n, c := range caches {
		before[n] = c.redis.Status().Sessions
	}
	reading := readAll(func(n int) bool { return caches[n].redis.Status().Sessions > before[n] || t.Failed() })
	if _, err := server.CLI("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	if n := src.loads.Load() - keys; n > keys {
		t.Errorf("%d loads after FLUSHALL, want at most %d", n, keys)
	}
	for _, c := range caches {
		if st := c.Stats(); st.RedisErrors != 0 || st.Evictions != 0 || st.LocalHits == 0 {
			t.Errorf("counted %+v", st)
		}
	}
}
