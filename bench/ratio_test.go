package bench

import (
	"path/filepath"
	"testing"
	"time"

	"leadcache/tiered"
)

const (
	traceLength = 300_000
	traceRoom   = 16_000 // entries in the local tier
)

// BenchmarkHitRatio plays a trace of asks through a local tier that has room for
// a sixth of the leads, and reports what part of them it answers. One caller
// asks, with no Redis there, so that nothing but the tier's own choice of what
// to keep matters; the time says nothing.
func BenchmarkHitRatio(b *testing.B) {
	b.Run("zipf-1.01", func(b *testing.B) { hitRatio(b, trace(plain)) })
	b.Run("zipf-scans", func(b *testing.B) { hitRatio(b, trace(scans)) })
	b.Run("drift", func(b *testing.B) { hitRatio(b, trace(drift)) })
}

func hitRatio(b *testing.B, keys []string) {
	b.Helper()
	var asked, hits uint64
	for b.Loop() {
		st := replay(b, keys)
		asked += st.Gets
		hits += st.LocalHits
	}
	b.ReportMetric(100*float64(hits)/float64(asked), "hit-%")
	b.ReportMetric(0, "ns/op")
}

// replay asks for keys in order. Without Redis a node keeps what it has loaded
// for MaxStale; that no entry ended before it was evicted, or is left, the
// counters show.
func replay(b *testing.B, keys []string) tiered.Stats {
	b.Helper()
	nowhere := "unix://" + filepath.Join(b.TempDir(), "nowhere")
	rdb := dial(b, tiered.RedisOptions{URL: nowhere, MaxStale: time.Hour})
	cache := cacheOn(b, rdb, "lead", new(source).load, tiered.Options{TTL: 2 * time.Hour, LocalEntries: traceRoom})
	for _, key := range keys {
		if _, err := cache.Get(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
	st := cache.Stats()
	misses := st.Gets - st.LocalHits
	if st.Gets != uint64(len(keys)) || st.Loads != misses || st.Evictions+uint64(st.Entries) != misses || st.Entries > traceRoom {
		b.Errorf("the local tier did not keep what it has room for: %+v", st)
	}
	cache.Close()
	rdb.Close()
	return st
}

// A shape makes the i-th key of a trace from the i-th of a Zipf distribution
// over all leads.
type shape func(i int, zipf uint64) int64

// plain is the distribution.
func plain(_ int, zipf uint64) int64 { return int64(zipf) }

// scans has 5,000 keys that are asked for once after each 10,000 of the
// distribution, as a report over all leads would.
func scans(i int, zipf uint64) int64 {
	if i%15_000 >= 10_000 {
		return int64(allLeads + i)
	}
	return int64(zipf)
}

// drift moves the distribution by one key with each ten asks, as leads come and
// go.
func drift(i int, zipf uint64) int64 { return int64(zipf) + int64(i/10) }

func trace(of shape) []string {
	z := newZipf(allLeads)
	keys := make([]string, traceLength)
	for i := range keys {
		keys[i] = keyOf(of(i, z.Uint64()))
	}
	return keys
}
