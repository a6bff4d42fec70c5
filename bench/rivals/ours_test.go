package rivals

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

func init() {
	register(rival{name: ours, local: true, redis: true, shares: true, open: openOurs(leadsvc.Codec{})})
}

// ourCache serves a local hit only while the freshness lease holds, which it
// checks with the real clock, hears of changes by push and purge, and does not
// fill over an invalidation. Callers share the value of the local tier; what
// comes from Redis is decoded, with the codec of the lead service, which knows
// the columns of a lead; see ours-default-codec. It keeps leads by value, as
// all do here; the service keeps pointers, and copies once.
type ourCache struct {
	rdb   *tiered.Redis
	cache *tiered.Cache[string, pg.Lead]
}

func openOurs(codec tiered.Codec) func(testing.TB, setup) cache {
	return func(t testing.TB, s setup) cache {
		t.Helper()
		return dialOurs(t, s, tiered.Options{TTL: s.ttl, LocalEntries: s.entries, Codec: codec})
	}
}

func dialOurs(t testing.TB, s setup, o tiered.Options) cache {
	t.Helper()
	rdb, err := tiered.Dial(tiered.RedisOptions{
		URL:     s.url,
		Prefix:  s.prefix,
		Timeout: 10 * time.Second, // a thousand callers on one processor are no outage
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return rdb.Status().Connected }, "connection to Redis")
	keys := tiered.Keyspace[string]{Name: "lead", Key: func(k string) string { return k }}
	c, err := tiered.New(rdb, keys, tiered.LoaderFunc[string, pg.Lead](s.load), o)
	if err != nil {
		t.Fatal(err)
	}
	return &ourCache{rdb: rdb, cache: c}
}

func (c *ourCache) ask(ctx context.Context, key string) error {
	_, err := c.cache.Get(ctx, key)
	return err
}

func (c *ourCache) get(ctx context.Context, key string) (pg.Lead, error) {
	return c.cache.Get(ctx, key)
}

// misses says how many calls went past the local tier.
func (c *ourCache) misses() int64 { return int64(c.cache.Stats().Flights) }

func (c *ourCache) close() {
	c.cache.Close()
	c.rdb.Close()
}
