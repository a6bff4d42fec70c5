package rivals

import (
	"context"
	"testing"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"leadcache/pg"
)

func init() {
	register(rival{
		name: "golang-lru-expirable", local: true, open: openExpirable,
		immortal: "github.com/hashicorp/golang-lru/v2/expirable.NewLRU[...].func1",
	})
}

// expirableCache is golang-lru with a TTL, whose goroutine cannot be stopped.
// No statistics, no loader, so that callers who miss load each for themselves,
// and no word of a change elsewhere. Callers share the value.
type expirableCache struct {
	setup
	cache *expirable.LRU[string, pg.Lead]
}

func openExpirable(_ testing.TB, s setup) cache {
	return &expirableCache{setup: s, cache: expirable.NewLRU[string, pg.Lead](s.entries, nil, s.ttl)}
}

func (c *expirableCache) ask(ctx context.Context, key string) error {
	if _, ok := c.cache.Get(key); ok {
		return nil
	}
	_, err := c.fill(ctx, key)
	return err
}

func (c *expirableCache) get(ctx context.Context, key string) (pg.Lead, error) {
	if v, ok := c.cache.Get(key); ok {
		return v, nil
	}
	return c.fill(ctx, key)
}

func (c *expirableCache) fill(ctx context.Context, key string) (pg.Lead, error) {
	v, err := c.load(ctx, key)
	if err == nil {
		c.cache.Add(key, v)
	}
	return v, err
}

// close gives back what the goroutine that stays would hold on to.
func (c *expirableCache) close() { c.cache.Purge() }
