package tiered

import (
	"context"
	"time"
)

// remote is what a [Cache] asks of the Redis tier, on one connection. Its
// rules, which any implementation keeps (TestRemote runs them on each):
//
//  1. read, setIfAbsent and a successful swap register this node for the key:
//     the next change of it, expiry and eviction included, whoever caused it,
//     leads to one call of receiver.pushed with that key. The call may come
//     before the method returns, if the change came right behind it.
//  2. For a change that this node made itself, the call comes before the
//     method that made it returns.
//  3. setIfAbsent, swap and drop are atomic against each other and against
//     invalidate, from whichever node.
//  4. After invalidate returns nil the keys are gone from Redis, and each
//     other node was sent a purge, which leads to a call of receiver.purged
//     for each key, whether or not that node ever read it.
//  5. Each method returns within the Redis timeout, and when ctx ends.
type remote interface {
	// read returns the bytes under key, or nil.
	read(ctx context.Context, key string) ([]byte, error)
	// setIfAbsent stores value unless the key has one, and returns the bytes
	// that are under key afterwards.
	setIfAbsent(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error)
	// swap stores value if the key holds old, and reports whether it did.
	swap(ctx context.Context, key string, old, value []byte, ttl time.Duration) (bool, error)
	// drop deletes the key if it holds old, and reports whether it did.
	drop(ctx context.Context, key string, old []byte) (bool, error)
	// invalidate deletes keys and sends the purge.
	invalidate(ctx context.Context, keys []string) error
}

// receiver is told which Redis keys have changed. It must not block: it runs
// on the goroutine that reads the connection.
type receiver interface {
	pushed(key string) // Redis says so; the change may be this node's own
	purged(key string) // another node says so
}
