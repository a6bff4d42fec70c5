package rivals

import (
	"context"
	"testing"

	"github.com/Yiling-J/theine-go"

	"leadcache/pg"
)

func init() {
	register(rival{name: "theine", local: true, shares: true, open: openTheine})
}

// theineCache has a TTL, checked against a clock that a goroutine of its own
// moves on, and statistics. It has no Redis tier and knows of no change
// elsewhere. Callers share the value and the load.
type theineCache struct {
	cache *theine.LoadingCache[string, pg.Lead]
}

func openTheine(t testing.TB, s setup) cache {
	t.Helper()
	load := func(ctx context.Context, key string) (theine.Loaded[pg.Lead], error) {
		v, err := s.load(ctx, key)
		return theine.Loaded[pg.Lead]{Value: v, Cost: 1, TTL: s.ttl}, err
	}
	c, err := theine.NewBuilder[string, pg.Lead](int64(s.entries)).BuildWithLoader(load)
	if err != nil {
		t.Fatal(err)
	}
	return &theineCache{cache: c}
}

func (c *theineCache) ask(ctx context.Context, key string) error {
	_, err := c.cache.Get(ctx, key)
	return err
}

func (c *theineCache) get(ctx context.Context, key string) (pg.Lead, error) {
	return c.cache.Get(ctx, key)
}

// settle waits until the policy knows what was given.
func (c *theineCache) settle() { c.cache.Wait() }

func (c *theineCache) close() { c.cache.Close() }
