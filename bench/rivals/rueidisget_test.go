package rivals

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/redis/rueidis"

	"leadcache/pg"
)

func init() {
	register(rival{name: "rueidis-get", redis: true, open: openRueidisGet})
	register(rival{name: "rueidis-get-decoded", redis: true, open: openRueidisDecoded})
}

// rueidisGet is the least that can be asked of Redis: a GET, whose answer it
// leaves as JSON, and SET of what was missing. It has no local tier and no
// tracking, callers who miss load each for themselves, and a late SET puts back
// what has changed meanwhile.
type rueidisGet struct {
	setup
	client rueidis.Client
}

func openRueidisGet(t testing.TB, s setup) cache {
	t.Helper()
	option := rueidisOption(t, s)
	option.DisableCache = true
	return &rueidisGet{setup: s, client: rueidisClient(t, option)}
}

func rueidisOption(t testing.TB, s setup) rueidis.ClientOption {
	t.Helper()
	option, err := rueidis.ParseURL(s.url)
	if err != nil {
		t.Fatal("the Redis URL does not parse") // err may hold its password
	}
	return option
}

func rueidisClient(t testing.TB, option rueidis.ClientOption) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (c *rueidisGet) ask(ctx context.Context, key string) error {
	_, err := c.find(ctx, key).AsBytes()
	if rueidis.IsRedisNil(err) {
		_, err = c.fill(ctx, c.client, key)
	}
	return err
}

func (c *rueidisGet) get(ctx context.Context, key string) (v pg.Lead, err error) {
	err = c.find(ctx, key).DecodeJSON(&v)
	if rueidis.IsRedisNil(err) {
		return c.fill(ctx, c.client, key)
	}
	return v, err
}

func (c *rueidisGet) find(ctx context.Context, key string) rueidis.RedisResult {
	return c.client.Do(ctx, c.client.B().Get().Key(c.prefix+key).Build())
}

// fill loads key and puts it into Redis.
func (s setup) fill(ctx context.Context, client rueidis.Client, key string) (pg.Lead, error) {
	v, err := s.load(ctx, key)
	if err != nil {
		return v, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return v, err
	}
	set := client.B().Set().Key(s.prefix + key).Value(rueidis.BinaryString(data)).Ex(s.ttl).Build()
	return v, client.Do(ctx, set).Error()
}

func (c *rueidisGet) close() { c.client.Close() }

// rueidisDecoded is rueidisGet with the JSON decoded, for each caller.
type rueidisDecoded struct{ cache }

func openRueidisDecoded(t testing.TB, s setup) cache {
	t.Helper()
	return rueidisDecoded{openRueidisGet(t, s)}
}

func (c rueidisDecoded) ask(ctx context.Context, key string) error {
	_, err := c.get(ctx, key)
	return err
}
