package rivals

import (
	"context"
	"testing"

	"github.com/redis/rueidis"
	"github.com/viccon/sturdyc"

	"leadcache/pg"
)

func init() {
	register(rival{name: "sturdyc", local: true, redis: true, shares: true, open: openSturdyc})
}

// sturdycCache keeps decoded values in its local tier, with a TTL, and callers
// share them and the load, but for one that missed just before it ended. It is told of no change, and writes to its
// distributed storage, Redis here, after it has answered: a miss is measured
// without that. The goroutine that removes what has expired cannot be stopped,
// so it is not started; hits check the TTL all the same.
type sturdycCache struct {
	setup
	client rueidis.Client
	cache  *sturdyc.Client[pg.Lead]
}

func openSturdyc(t testing.TB, s setup) cache {
	t.Helper()
	option := rueidisOption(t, s)
	option.DisableCache = true
	c := &sturdycCache{setup: s, client: rueidisClient(t, option)}
	shards, percent := 10, 10 // as in its documentation
	if s.entries == 1 {
		shards, percent = 1, 100 // one that makes room
	}
	c.cache = sturdyc.New[pg.Lead](s.entries, shards, s.ttl, percent,
		sturdyc.WithNoContinuousEvictions(),
		sturdyc.WithLog(&sturdyc.NoopLogger{}),
		sturdyc.WithDistributedStorage(sturdycStorage{s, c.client}),
	)
	return c
}

func (c *sturdycCache) ask(ctx context.Context, key string) error {
	_, err := c.cache.GetOrFetch(ctx, key, func(ctx context.Context) (pg.Lead, error) { return c.load(ctx, key) })
	return err
}

func (c *sturdycCache) get(ctx context.Context, key string) (pg.Lead, error) {
	return c.cache.GetOrFetch(ctx, key, func(ctx context.Context) (pg.Lead, error) { return c.load(ctx, key) })
}

func (c *sturdycCache) close() { c.client.Close() }

// sturdycStorage is Redis for sturdyc, which wants no errors.
type sturdycStorage struct {
	setup
	client rueidis.Client
}

func (s sturdycStorage) Get(ctx context.Context, key string) ([]byte, bool) {
	data, err := s.client.Do(ctx, s.client.B().Get().Key(s.prefix+key).Build()).AsBytes()
	return data, err == nil
}

func (s sturdycStorage) Set(ctx context.Context, key string, value []byte) {
	set := s.client.B().Set().Key(s.prefix + key).Value(rueidis.BinaryString(value)).Ex(s.ttl).Build()
	s.client.Do(ctx, set)
}

func (s sturdycStorage) GetBatch(ctx context.Context, keys []string) map[string][]byte {
	found := make(map[string][]byte, len(keys))
	for _, key := range keys {
		if data, ok := s.Get(ctx, key); ok {
			found[key] = data
		}
	}
	return found
}

func (s sturdycStorage) SetBatch(ctx context.Context, records map[string][]byte) {
	for key, data := range records {
		s.Set(ctx, key, data)
	}
}
