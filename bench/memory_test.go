package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// BenchmarkMemory measures what a node takes. The times say nothing.
func BenchmarkMemory(b *testing.B) {
	b.Run("entry", memoryOfEntry)
	b.Run("node", func(b *testing.B) {
		for _, caches := range []int{1, 7} {
			b.Run(fmt.Sprint("caches=", caches), func(b *testing.B) { goroutinesOfNode(b, caches) })
		}
	})
}

// memoryOfEntry fills the local tier with all leads, each under a key of 48
// bytes of its own, and each with texts of its own as it was decoded from its
// JSON. Redis holds them as well, with nothing before the key.
//
//	bytes/entry    the heap after a collection with all of them held, less that
//	               with the node connected and its cache empty, by their number
//	bytes/value    the same for a slice of as many decoded leads
//	bytes/beyond   the difference: key, entry, the places in the tables of the
//	               local tier, and what waits for news of the key
func memoryOfEntry(b *testing.B) {
	var entries, values uint64
	for b.Loop() {
		values += heapOfValues(b)
		entries += heapOfEntries(b)
	}
	per := func(bytes uint64) float64 { return float64(bytes) / float64(b.N) / allLeads }
	b.ReportMetric(per(entries), "bytes/entry")
	b.ReportMetric(per(values), "bytes/value")
	b.ReportMetric(per(entries)-per(values), "bytes/beyond")
	b.ReportMetric(0, "ns/op")
}

func heapOfValues(b *testing.B) uint64 {
	b.Helper()
	before := heap()
	values := make([]pg.Lead, allLeads)
	for i := range values {
		var err error
		if values[i], err = decoded(b.Context(), keyOf(int64(i))); err != nil {
			b.Fatal(err)
		}
	}
	after := heap()
	runtime.KeepAlive(values)
	return after - before
}

func heapOfEntries(b *testing.B) uint64 {
	b.Helper()
	server := servertest.Redis(b)
	rdb := connected(b, tiered.RedisOptions{URL: server.URL()})
	defer rdb.Close()
	cache := cacheOn(b, rdb, "lead", decoded, tiered.Options{TTL: time.Hour, LocalEntries: 2 * allLeads}) // room for all, in each shard
	defer cache.Close()
	before := heap()
	err := each(allLeads, 64, func(i int) error {
		_, err := cache.Get(b.Context(), keyOf(int64(i)))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	after := heap()
	if st := cache.Stats(); st.Entries != allLeads {
		b.Errorf("%d entries, want %d: %+v", st.Entries, allLeads, st)
	}
	return after - before
}

// decoded is a loader of leads that share nothing with each other.
func decoded(_ context.Context, key string) (l pg.Lead, err error) {
	data, err := json.Marshal(lead(key))
	if err != nil {
		return pg.Lead{}, err
	}
	return l, json.Unmarshal(data, &l)
}

// heap returns the bytes in use after a collection; the second one frees what
// the first one has finalized, and what pools kept over one.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// goroutinesOfNode counts what a link to Redis and caches on it have started,
// once the link is connected and each cache has been asked.
func goroutinesOfNode(b *testing.B, caches int) {
	b.Helper()
	prefix := servertest.Prefix(b, servertest.RedisURL(b))
	var started int
	for b.Loop() {
		before := goroutines(b)
		rdb := connected(b, tiered.RedisOptions{URL: servertest.RedisURL(b), Prefix: prefix})
		opened := make([]*tiered.Cache[string, pg.Lead], caches)
		for i := range opened {
			opened[i] = cacheOn(b, rdb, fmt.Sprint("leads ", i), decoded, tiered.Options{})
			keep(b, opened[i], []string{keyOf(int64(i))})
		}
		started += goroutines(b) - before
		for _, cache := range opened {
			cache.Close()
		}
		rdb.Close()
	}
	b.ReportMetric(float64(started)/float64(b.N), "goroutines/node")
	b.ReportMetric(0, "ns/op")
}

// goroutines returns how many there are, once that has been the same for some
// 100 ms: those that end by themselves have ended.
func goroutines(b *testing.B) int {
	b.Helper()
	n, same := 0, 0
	servertest.Eventually(b, 30*time.Second, func() bool {
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
		same++
		return same > 50
	}, "the number of goroutines to settle")
	return n
}
