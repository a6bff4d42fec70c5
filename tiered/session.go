package tiered

import (
	"math"
	"sync/atomic"
	"time"
)

// A session is a span of time in which this node hears of every change, or,
// without Redis, a span in which it knows that it does not. Each entry of a
// local tier has the id of the session that it was filled under and is served
// only while that one is current: a new session drops every older entry at
// once, at the price of one number. (The id, not the session: entries stay
// until they are evicted, and would keep old connections in memory.)
//
// A session ends when its connection breaks, when Redis says that it forgot
// which keys this node holds (FLUSHALL, a full tracking table), and when a
// purge cannot be read.
type session struct {
	id      uint64 // grows from one session of a Redis to the next
	remote  remote // nil: Redis is not used in this session
	life    uint64 // which life of the Redis server; frames of another are misses
	tracked bool   // Redis pushes changes of the keys that were read

	// keepFor bounds the local life of an entry, counted from the beginning
	// of its load: forever while pushes and purges arrive, MaxStale while
	// they cannot, and 0 (keep nothing) where Redis is switched off.
	keepFor time.Duration

	// freshUntil is the freshness lease: up to this monotonic time (see clock)
	// what this node holds is no older than MaxStale. It is checked on every
	// local hit. Only renew writes it; without Redis it stays 0.
	freshUntil atomic.Int64

	over chan struct{} // closed when another session has taken over
}

const (
	forever = time.Duration(math.MaxInt64)
	endless = math.MaxInt64 // as a monotonic time
)

func newSession(keepFor time.Duration) *session {
	return &session{keepFor: keepFor, over: make(chan struct{})}
}

// renew extends the freshness lease to a monotonic time.
func (s *session) renew(until int64) { s.freshUntil.Store(until) }

// fresh reports whether the freshness lease holds at the monotonic time now.
func (s *session) fresh(now int64) bool { return now < s.freshUntil.Load() || broken("lease") }

// clock counts nanoseconds from its start with the monotonic clock. Each read
// is a real one: a cached clock would stand still in a stopped process, and
// serve old entries when that goes on.
type clock struct{ start time.Time }

func newClock() clock { return clock{start: time.Now()} }

// now returns nanoseconds since the clock was made, plus one: 0 never comes,
// so that it can mean "not valid" in an entry.
func (c clock) now() int64 { return int64(time.Since(c.start)) + 1 }

// after returns the monotonic time d after t, without overflow.
func after(t int64, d time.Duration) int64 {
	if int64(d) > endless-t {
		return endless
	}
	return t + int64(d)
}
