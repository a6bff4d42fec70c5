package rivals

import (
	"context"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"

	"leadcache/pg"
)

func init() {
	register(rival{name: "golang-lru", local: true, forever: true, open: openLRU})
}

// lruCache is a list and a map behind one mutex: no TTL, no statistics, no
// loader, so that callers who miss load each for themselves, and no word of a
// change elsewhere. Callers share the value.
type lruCache struct {
	setup
	cache *lru.Cache[string, pg.Lead]
}

func openLRU(t testing.TB, s setup) cache {
	t.Helper()
	c, err := lru.New[string, pg.Lead](s.entries)
	if err != nil {
		t.Fatal(err)
	}
	return &lruCache{setup: s, cache: c}
}

func (c *lruCache) ask(ctx context.Context, key string) error {
	if _, ok := c.cache.Get(key); ok {
		return nil
	}
	_, err := c.fill(ctx, key)
	return err
}

func (c *lruCache) get(ctx context.Context, key string) (pg.Lead, error) {
	if v, ok := c.cache.Get(key); ok {
		return v, nil
	}
	return c.fill(ctx, key)
}

func (c *lruCache) fill(ctx context.Context, key string) (pg.Lead, error) {
	v, err := c.load(ctx, key)
	if err == nil {
		c.cache.Add(key, v)
	}
	return v, err
}

func (c *lruCache) close() {}
