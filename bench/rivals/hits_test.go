package rivals

import (
	"context"
	"testing"

	"leadcache/internal/servertest"
)

const (
	traceLength = 300_000
	traceRoom   = 16_000 // entries in the local tier
)

// BenchmarkHitRatio plays a trace through local tiers of the same number of
// entries, and reports what part of its asks they answer. The time says nothing:
// what they miss comes from Redis for ours, and at once for the others.
func BenchmarkHitRatio(b *testing.B) {
	b.Run("zipf-1.01", func(b *testing.B) { hitRatios(b, trace(plain)) })
	b.Run("zipf-scans", func(b *testing.B) { hitRatios(b, trace(scans)) })
	b.Run("drift", func(b *testing.B) { hitRatios(b, trace(drift)) })
}

// A shape makes the i-th key of a trace from the i-th of a Zipf distribution
// over 100,000 keys.
type shape func(i int, zipf uint64) int64

// plain is the distribution.
func plain(_ int, zipf uint64) int64 { return int64(zipf) }

// scans has 5,000 keys that are asked for once after each 10,000 of the
// distribution, as a report over all leads would.
func scans(i int, zipf uint64) int64 {
	if i%15_000 >= 10_000 {
		return int64(localKeys + i)
	}
	return int64(zipf)
}

// drift moves the distribution by one key with each ten asks, as leads come and
// go.
func drift(i int, zipf uint64) int64 { return int64(zipf) + int64(i/10) }

func trace(of shape) []string {
	z := newZipf(localKeys)
	keys := make([]string, traceLength)
	for i := range keys {
		keys[i] = keyOf(of(i, z.Uint64()))
	}
	return keys
}

func hitRatios(b *testing.B, keys []string) {
	b.Helper()
	for _, r := range rivals {
		if !r.local || r.redis && r.name != ours { // of a rival in two tiers, a load is no measure
			continue
		}
		b.Run(r.name, func(b *testing.B) {
			var missed, asked int64
			for b.Loop() {
				missed += r.replay(b, keys)
				asked += int64(len(keys))
			}
			b.ReportMetric(100*float64(asked-missed)/float64(asked), "hit-%")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// replay asks for keys in order and returns how many of them were not in the
// local tier.
func (r rival) replay(b *testing.B, keys []string) int64 {
	b.Helper()
	var s subject
	url := servertest.RedisURL(b)
	s.cache = r.open(b, setup{url: url, prefix: servertest.Prefix(b, url), entries: traceRoom, ttl: ttl, load: s.load})
	defer s.close()
	settler, settles := s.cache.(interface{ settle() })
	for _, key := range keys {
		before := s.loads.Load()
		if err := s.ask(context.Background(), key); err != nil {
			b.Fatal(err)
		}
		if settles && s.loads.Load() != before {
			settler.settle()
		}
	}
	if counter, ok := s.cache.(interface{ misses() int64 }); ok {
		return counter.misses()
	}
	return s.loads.Load()
}
