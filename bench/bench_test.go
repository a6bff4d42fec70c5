package bench

import (
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// widths are the numbers of concurrent callers that are measured.
var widths = []int{1, 64, 1024}

// callers runs body on g goroutines, which is one, or a multiple of the number
// of processors. Each calls next before each of its calls, until that returns
// false.
func callers(b *testing.B, g int, body func(next func() bool) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	if g == 1 {
		if err := body(b.Loop); err != nil {
			b.Fatal(err)
		}
		return
	}
	b.SetParallelism(max(1, g/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		if err := body(fair(g, pb.Next)); err != nil {
			b.Error(err)
		}
	})
	b.StopTimer()
}

// fair makes next let others run now and then. A caller in life waits for
// something before it asks again; a thousand that never do keep the processors
// from the node's own goroutines for seconds, and so its lease ends.
func fair(g int, next func() bool) func() bool {
	if g <= 64 {
		return next
	}
	n := 0
	return func() bool {
		if n++; n%1024 == 0 {
			runtime.Gosched()
		}
		return next()
	}
}

// leadCache returns a cache of leads on a connected Redis. Its source needs no
// time, so that only the cache is measured.
func leadCache(b *testing.B, o tiered.Options) *tiered.Cache[string, pg.Lead] {
	b.Helper()
	return node(b, servertest.Prefix(b, servertest.RedisURL(b)), new(source).load, o)
}

// node returns a cache of what load loads, on a link to Redis of its own.
func node[V any](b *testing.B, prefix string, load tiered.LoaderFunc[string, V], o tiered.Options) *tiered.Cache[string, V] {
	b.Helper()
	rdb := connected(b, tiered.RedisOptions{URL: servertest.RedisURL(b), Prefix: prefix})
	return cacheOn(b, rdb, "lead", load, o)
}

func cacheOn[V any](
	b *testing.B, rdb *tiered.Redis, name string, load tiered.LoaderFunc[string, V], o tiered.Options,
) *tiered.Cache[string, V] {
	b.Helper()
	keys := tiered.Keyspace[string]{Name: name, Key: func(k string) string { return k }}
	cache, err := tiered.New(rdb, keys, load, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cache.Close() })
	return cache
}

// connected returns a link to Redis that is in use.
func connected(b *testing.B, o tiered.RedisOptions) *tiered.Redis {
	b.Helper()
	rdb := dial(b, o)
	servertest.Eventually(b, 30*time.Second, func() bool { return rdb.Status().Connected }, "connection to Redis")
	return rdb
}

func dial(b *testing.B, o tiered.RedisOptions) *tiered.Redis {
	b.Helper()
	o.Timeout = 10 * time.Second // a thousand callers on one processor are no outage
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	rdb, err := tiered.Dial(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rdb.Close() })
	return rdb
}
