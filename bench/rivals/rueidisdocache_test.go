package rivals

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"leadcache/pg"
)

func init() {
	register(rival{name: "rueidis-docache", local: true, redis: true, open: openDoCache})
}

// bytesPerEntry is about twice what rueidis reckons for a lead.
const bytesPerEntry = 2 << 10

// doCache is the client-side caching of rueidis: tracked, so that Redis tells it
// of changes; what it holds is served until a connection that has fallen silent
// is given up, after some ten seconds by default. It keeps bytes, and each
// caller decodes them for himself. Callers share the look-up in Redis, but not
// the load; a late SET puts back what has changed meanwhile.
type doCache struct {
	setup
	client rueidis.Client
}

func openDoCache(t testing.TB, s setup) cache {
	t.Helper()
	option := rueidisOption(t, s)
	option.CacheSizeEachConn = s.entries * bytesPerEntry
	return &doCache{setup: s, client: rueidisClient(t, option)}
}

func (c *doCache) ask(ctx context.Context, key string) error {
	_, err := c.get(ctx, key)
	return err
}

func (c *doCache) get(ctx context.Context, key string) (v pg.Lead, err error) {
	get := c.client.B().Get().Key(c.prefix + key).Cache()
	err = c.client.DoCache(ctx, get, c.ttl).DecodeJSON(&v)
	if rueidis.IsRedisNil(err) {
		return c.fill(ctx, c.client, key)
	}
	return v, err
}

func (c *doCache) close() { c.client.Close() }
