package rivals

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) {
	var options []goleak.Option
	for _, r := range rivals {
		if r.immortal != "" {
			options = append(options, goleak.IgnoreAnyFunction(r.immortal))
		}
	}
	servertest.Main(m, options...)
}

const (
	localKeys = 100_000
	redisKeys = 10_000 // more than there are callers, so that none share a look-up
	loadTime  = 2 * time.Millisecond
)

// widths are the numbers of concurrent callers that are measured where a caller
// waits for Redis.
var widths = []int{1, 64, 1024}

// BenchmarkRivals compares the read paths: see the comment on the package.
func BenchmarkRivals(b *testing.B) {
	b.Run("local-hot", func(b *testing.B) { local(b, keysOf(0, 1), []uint32{0}) })
	b.Run("local-zipf", func(b *testing.B) { local(b, keysOf(0, localKeys), zipf(localKeys)) })
	b.Run("redis-hit", func(b *testing.B) { beyond(b, redisCase{widths: widths, keys: redisKeys, measure: redisHit}) })
	b.Run("miss", func(b *testing.B) { beyond(b, redisCase{widths: widths, measure: miss}) })
	b.Run("stampede", func(b *testing.B) { beyond(b, redisCase{widths: widths[1:], takes: loadTime, measure: stampede}) })
}

// A subject is a rival that is open, for the sub-benchmarks that measure it.
type subject struct {
	cache
	source
	prefix string
}

// open opens r when the first of its sub-benchmarks asks, so that one that is
// not to be run costs nothing, and fills it with keys. The second function
// closes it, and gives back the memory of Redis.
func (s *subject) open(b *testing.B, r rival, entries int, keys []string) (get func() *subject, end func()) {
	b.Helper()
	url := servertest.RedisURL(b)
	s.prefix = servertest.Prefix(b, url)
	get = sync.OnceValue(func() *subject {
		s.cache = r.open(b, setup{url: url, prefix: s.prefix, entries: entries, ttl: ttl, load: s.load})
		s.keep(b, keys)
		return s
	})
	return get, func() {
		if s.cache != nil {
			s.close()
			unlink(b, s.prefix, keys)
		}
	}
}

// keep asks for all keys until none of them is loaded any more: some keep a
// value only some time after they answered with it.
func (s *subject) keep(b *testing.B, keys []string) {
	b.Helper()
	servertest.Eventually(b, time.Minute, func() bool {
		before := s.loads.Load()
		var all errgroup.Group
		all.SetLimit(64)
		for _, key := range keys {
			all.Go(func() error { return s.ask(context.Background(), key) })
		}
		if err := all.Wait(); err != nil {
			b.Fatal(err)
		}
		return s.loads.Load() == before
	}, "all keys to be kept")
}

// callers runs body on g goroutines, which is one, or a multiple of the number
// of processors. Each calls next before each of its calls, until that returns
// false.
func callers(b *testing.B, g int, body func(next func() bool) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	if g < runtime.GOMAXPROCS(0) {
		if err := body(b.Loop); err != nil {
			b.Fatal(err)
		}
		return
	}
	b.SetParallelism(g / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		if err := body(pb.Next); err != nil {
			b.Error(err)
		}
	})
	b.StopTimer()
}
