package rivals

import (
	"context"
	"encoding/json"
	"testing"

	rediscache "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"leadcache/pg"
)

func init() {
	register(rival{name: "go-redis-cache", local: true, redis: true, shares: true, open: openGoRedis})
}

// goRedisCache keeps bytes in both tiers, and each caller decodes them for
// himself, with encoding/json here as all rivals do. Its local tier has a TTL
// and a mutex, and is told of no change: other nodes serve what they hold until
// its end. Callers share the load; a late SET puts back what has changed
// meanwhile.
type goRedisCache struct {
	setup
	client *redis.Client
	cache  *rediscache.Cache
}

func openGoRedis(t testing.TB, s setup) cache {
	t.Helper()
	option, err := redis.ParseURL(s.url)
	if err != nil {
		t.Fatal("the Redis URL does not parse") // err may hold its password
	}
	client := redis.NewClient(option)
	options := &rediscache.Options{Redis: client, Marshal: json.Marshal, Unmarshal: json.Unmarshal}
	if s.entries > 1 {
		options.LocalCache = rediscache.NewTinyLFU(s.entries, s.ttl)
	}
	return &goRedisCache{setup: s, client: client, cache: rediscache.New(options)}
}

func (c *goRedisCache) ask(ctx context.Context, key string) error {
	_, err := c.get(ctx, key)
	return err
}

func (c *goRedisCache) get(ctx context.Context, key string) (v pg.Lead, err error) {
	err = c.cache.Once(&rediscache.Item{
		Ctx:   ctx,
		Key:   c.prefix + key,
		Value: &v,
		TTL:   c.ttl,
		Do:    func(*rediscache.Item) (any, error) { return c.load(ctx, key) },
	})
	return v, err
}

func (c *goRedisCache) close() { c.client.Close() }
