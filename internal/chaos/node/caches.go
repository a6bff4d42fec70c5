//go:build unix

package node

import (
	"context"
	"math/rand/v2"
	"time"

	"leadcache/internal/chaos/history"
	"leadcache/internal/pause"
	"leadcache/tiered"
)

// A value says what it is of, so that one of another key is noticed.
type value struct {
	Key     string `json:"key"`
	Version int64  `json:"version"`
}

const (
	// What should have been dropped stays long enough to be found.
	ttl = 5 * time.Minute

	loadTimeout = 2 * time.Second
	waitForFill = 250 * time.Millisecond
)

func (n *node) openCaches() (err error) {
	for _, family := range []Family{Framed, Tagged, Plain} {
		keys := tiered.Keyspace[string]{
			Name: "chaos-" + string(family),
			Key:  func(k string) string { return k },
		}
		if family == Tagged {
			keys.Tag = tagOf
		}
		n.caches[family], err = tiered.New(n.redis, keys, tiered.LoaderFunc[string, value](n.load), tiered.Options{
			TTL: ttl, AbsentTTL: ttl, LoadTimeout: loadTimeout, WaitForFill: waitForFill, PlainJSON: family == Plain,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tagOf gives two keys in a row the same tag.
func tagOf(key string) string {
	last := len(key) - 1
	return key[:last] + string('a'+(key[last]-'0')/2)
}

// cache returns where keys of a family are.
func (n *node) cache(family Family) *tiered.Cache[string, value] {
	if c, ok := n.caches[family]; ok {
		return c
	}
	return n.caches[Framed]
}

// load reads a key from the database, and sometimes takes its time to return
// what it has read.
func (n *node) load(ctx context.Context, key string) (value, error) {
	v := value{Key: key}
	if err := n.pool.QueryRow(ctx, "select version from chaos where key = $1", key).Scan(&v.Version); err != nil {
		return value{}, err
	}
	if rand.Float64() < n.Load.SlowLoads && !pause.For(ctx, rand.N(n.Load.SlowBy)) {
		return value{}, ctx.Err()
	}
	if history.Absent(v.Version) {
		return value{}, tiered.ErrNotFound
	}
	return v, nil
}
