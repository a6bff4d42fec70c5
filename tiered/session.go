package tiered

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// A session is a span of time in which this node hears of every change, or,
// without Redis, a span in which it knows that it does not. Each entry of a
// local tier has the id of the session that it was filled under. While that is
// current, what keeps it fresh goes on; when another has taken over, only what
// was proven by then holds, see remnant. (The id, not the session: entries stay
// until they are evicted, and would keep old connections in memory.)
//
// A session ends when its connection breaks, when Redis says that it forgot
// which keys this node holds (FLUSHALL, a full tracking table), when a purge is
// lost or cannot be read, and when Redis is switched on or off.
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

	// What the sessions before this one filled; never changed.
	past  []remnant // may be served for as long as these say, the oldest first
	floor uint64    // nothing of a session before this one may be served

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

// A remnant is what a session that is over has left behind. Up to its last tick
// the node knew all changes, so what it held then is no older than MaxStale
// until the freshness lease ends that this tick renewed, whatever happened to
// the connection since. News that still comes voids its entries like any other.
//
// They do not all stop when the lease ends, nor when the session did: every node
// would ask Redis for all of them in the same moment, or, if that is why the
// session ended, the loader. Each has a share of the time between, by which the
// moments at which they stop are spread over it.
type remnant struct {
	session      uint64 // its id
	ended, until int64  // monotonic times: of the session, and of its lease
}

// stops returns the monotonic time at which an entry stops that has that share,
// out of 2⁶⁴, of the time that is left.
func (m remnant) stops(share uint64) int64 {
	part, _ := bits.Mul64(uint64(m.until-m.ended), share)
	return m.ended + int64(part)
}

// maxRemnants bounds the look for one. A connection that is lost more often
// within MaxStale leaves no more. FLUSHALL takes two.
const maxRemnants = 8

// inherit lets s serve what old may serve at the monotonic time now, and what
// it filled.
func (s *session) inherit(old *session, now int64) {
	s.floor = old.floor
	for _, m := range append(slices.Clone(old.past), remnant{old.id, now, old.freshUntil.Load()}) {
		if now < m.until {
			s.past = append(s.past, m)
		}
	}
	s.past = s.past[max(0, len(s.past)-maxRemnants):]
}

// serves reports whether an entry of the session id, an earlier one, may be
// served at the monotonic time now.
func (s *session) serves(id uint64, share uint64, now int64) bool {
	for _, m := range s.past {
		if m.session == id {
			return now < m.stops(share)
		}
	}
	return false
}

// after returns the monotonic time d after t, without overflow.
func after(t int64, d time.Duration) int64 {
	if int64(d) > endless-t {
		return endless
	}
	return t + int64(d)
}
