package tiered

import (
	"context"
	"time"
)

// remote is what a [Cache] asks of the Redis tier, on one link. Its rules, which
// any implementation keeps (TestRemote runs them on each):
//
//  1. read and a successful fill or swap register this node for the key: the
//     next change of it, expiry and eviction included, whoever caused it, leads
//     to one call of receiver.pushed with that key, or to two if it was read more
//     than once. The call may come before the method returns, if the change came
//     right behind it; that about a change which read has seen may come after it.
//     A successful lease ends the registration, or leaves one.
//  2. For a change that this node made itself, the call comes before the method
//     that made it returns; but if it was lease or giveBack, only before hearOut
//     returns that is called then. That of swap always leads to a call, and so
//     does that of fill at a place with a tag. At others that of fill leads to
//     none; if this node was registered after all, to a late one.
//  3. lease, fill, swap and drop are atomic against each other and against
//     invalidate, from whichever node.
//  4. After invalidate returns nil the keys are gone from Redis, and each
//     other node was sent a purge, which leads to a call of receiver.purged
//     for each key, whether or not that node ever read it.
//  5. Each method returns within the Redis timeout, and when ctx ends.
//  6. What was stored at a place with a tag is there only while the tag lists
//     its key. To invalidate a tag deletes all keys it lists, and the list;
//     where Redis has lost the list, by eviction for one, what it listed reads
//     as nothing and no swap succeeds. At a plain place a value that is not
//     listed may be another program's: reading it lists it.
//  7. readMany and writeMany do in one round trip what the others do for one
//     place, with the same effects; each key is on its own, and fails alone. They
//     do it for as many of the first places as there is room for, one at least,
//     and return a reply for each of those, in order. If the line is known to be
//     of no use they return an error for each place.
type remote interface {
	// read returns the bytes at a place, or nil; for a plain place it also
	// returns how much longer they live, forever if nothing ends them.
	read(ctx context.Context, at place) (held []byte, left time.Duration, err error)
	// lease stores value if the key holds old, or nothing when old is nil, and
	// reports whether it did.
	lease(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error)
	// hearOut returns when all that Redis had to say so far has been handled.
	hearOut(ctx context.Context) error
	// fill stores value if the key holds what lease has put there, and reports
	// whether it did.
	fill(ctx context.Context, at place, lease, value []byte, ttl time.Duration) (bool, error)
	// swap stores value if the key holds old, and reports whether it did.
	swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error)
	// readMany is read.
	readMany(ctx context.Context, at []place) []reply
	// writeMany is lease, fill or drop, and hearOut.
	writeMany(ctx context.Context, writes []write) []reply
	// drop deletes the key if it holds old, and reports whether it did.
	drop(ctx context.Context, at place, old []byte) (bool, error)
	// giveBack is drop for whom nobody waits: where the server is slow to
	// answer, the others return an error at once, and giveBack is still sent.
	giveBack(ctx context.Context, at place, old []byte) error
	// invalidate deletes keys, those of tags among them, and sends the purge.
	invalidate(ctx context.Context, keys []string) error
}

// A write is one call of the method of remote that its verb names. A drop has no
// value.
type write struct {
	verb       verb
	at         place
	old, value []byte
	ttl        time.Duration
}

type verb byte

const (
	toLease verb = iota
	toFill
	toDrop
)

// A reply says what became of a read, or of a write.
type reply struct {
	held []byte        // what was read
	left time.Duration // see read
	done bool          // what was to be written was
	err  error
}

// A place is where a value is kept in Redis.
type place struct {
	key   string
	tag   string // the key of the tag's list, or empty
	plain bool   // other programs write there too
}

// receiver is told which Redis keys, or keys of tags, have changed. It must
// not block: it runs on the goroutine that reads the connection.
type receiver interface {
	pushed(key string)      // Redis says so; the change may be this node's own
	purged(key string)      // another node says so
	invalidated(key string) // this node says so
}
