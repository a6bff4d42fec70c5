package rivals

import (
	"context"
	"testing"

	"github.com/dgraph-io/ristretto/v2"

	"leadcache/pg"
)

func init() {
	register(rival{name: "ristretto", local: true, open: openRistretto})
}

// ristrettoCache has a TTL, and no statistics unless they are switched on. It
// keeps a value some time after it was given one, and may drop it under load;
// it tells keys apart by 128 bits of hash. It does not load, so callers who
// miss load each for themselves, and it knows of no change elsewhere. Callers
// share the value.
type ristrettoCache struct {
	setup
	cache *ristretto.Cache[string, pg.Lead]
}

func openRistretto(t testing.TB, s setup) cache {
	t.Helper()
	c, err := ristretto.NewCache(&ristretto.Config[string, pg.Lead]{
		NumCounters:        10 * int64(s.entries), // as its documentation has it
		MaxCost:            int64(s.entries),
		BufferItems:        64,
		IgnoreInternalCost: true, // the cost is one for each entry
	})
	if err != nil {
		t.Fatal(err)
	}
	return &ristrettoCache{setup: s, cache: c}
}

func (c *ristrettoCache) ask(ctx context.Context, key string) error {
	if _, ok := c.cache.Get(key); ok {
		return nil
	}
	_, err := c.fill(ctx, key)
	return err
}

func (c *ristrettoCache) get(ctx context.Context, key string) (pg.Lead, error) {
	if v, ok := c.cache.Get(key); ok {
		return v, nil
	}
	return c.fill(ctx, key)
}

func (c *ristrettoCache) fill(ctx context.Context, key string) (pg.Lead, error) {
	v, err := c.load(ctx, key)
	if err == nil {
		c.cache.SetWithTTL(key, v, 1, c.ttl)
	}
	return v, err
}

// settle waits until what was given is kept, or not: a loader that takes time
// would leave it that.
func (c *ristrettoCache) settle() { c.cache.Wait() }

func (c *ristrettoCache) close() { c.cache.Close() }
