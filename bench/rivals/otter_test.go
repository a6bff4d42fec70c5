package rivals

import (
	"context"
	"testing"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"leadcache/pg"
)

func init() {
	register(rival{name: "otter-ttl-stats", local: true, shares: true, open: openOtter})
}

// otterCache has a TTL and counts hits, as ours does. Its hits are checked
// against a clock as well, but nobody tells it of a change elsewhere: it has no
// Redis tier. Callers share the value and the load.
type otterCache struct {
	cache  *otter.Cache[string, pg.Lead]
	loader otter.Loader[string, pg.Lead]
}

func openOtter(t testing.TB, s setup) cache {
	t.Helper()
	c, err := otter.New(&otter.Options[string, pg.Lead]{
		MaximumSize:      s.entries,
		ExpiryCalculator: otter.ExpiryWriting[string, pg.Lead](s.ttl),
		StatsRecorder:    stats.NewCounter(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &otterCache{cache: c, loader: otter.LoaderFunc[string, pg.Lead](s.load)}
}

func (c *otterCache) ask(ctx context.Context, key string) error {
	_, err := c.cache.Get(ctx, key, c.loader)
	return err
}

func (c *otterCache) get(ctx context.Context, key string) (pg.Lead, error) {
	return c.cache.Get(ctx, key, c.loader)
}

// settle lets the policy know at once what was asked for and given.
func (c *otterCache) settle() { c.cache.CleanUp() }

func (c *otterCache) close() { c.cache.StopAllGoroutines() }
