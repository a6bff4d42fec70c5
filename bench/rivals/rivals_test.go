package rivals

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"leadcache/pg"
)

// ttl is the TTL of all entries that are measured.
const ttl = time.Hour

// ours is the name of what the others are compared with.
const ours = "ours"

// A rival is one way to cache leads.
type rival struct {
	name   string
	local  bool // has a local tier
	redis  bool // has a Redis tier
	shares bool // callers who miss the same key at one time share a load
	open   func(t testing.TB, s setup) cache

	forever  bool   // has no TTL
	immortal string // the function of a goroutine that outlives close, if any
}

// A setup is what a case asks of a cache.
type setup struct {
	url     string        // of Redis
	prefix  string        // of all keys in Redis
	entries int           // room in the local tier; 1 where it is to be of no use
	ttl     time.Duration // at least a second
	load    func(ctx context.Context, key string) (pg.Lead, error)
}

// A cache is a rival that is open. Only close must not be called beside others.
// For [BenchmarkHitRatio] it may have a method misses, which says how many calls
// went past the local tier, where those are not the loads; and settle, which
// waits until the last value is kept.
type cache interface {
	// ask is what is measured: it reads key through the cache, as a user
	// would, and drops the answer, uncopied.
	ask(ctx context.Context, key string) error

	// get returns what ask drops.
	get(ctx context.Context, key string) (pg.Lead, error)

	close()
}

var rivals []rival

// register adds a rival; each adapter calls it from an init function.
func register(r rival) {
	rivals = append(rivals, r)
	slices.SortFunc(rivals, func(a, b rival) int {
		if (a.name == ours) != (b.name == ours) { // first, as the measure of all
			if a.name == ours {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
}
