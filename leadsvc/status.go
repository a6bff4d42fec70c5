package leadsvc

import (
	"fmt"
	"time"

	"leadcache/tiered"
)

// CacheState says in a word whether the cache is working.
type CacheState string

// The states of a cache. In all of them the answers are those of the database,
// but for those that come with a [*StaleError].
const (
	CacheWorking  CacheState = "working"
	CacheDegraded CacheState = "degraded" // Redis is wanted and of little use: the database answers nearly all
	CacheOff      CacheState = "off"      // Redis is switched off: the database answers all
)

// CacheStatus says whether the cache of a [Service] is working, and how well.
type CacheStatus struct {
	State CacheState `json:"state"`

	Enabled       bool      `json:"enabled"`                 // Redis is switched on
	Connected     bool      `json:"connected"`               // there is a connection to Redis
	Tracking      bool      `json:"tracking"`                // Redis pushes changes; without it only purges tell of them
	DegradedSince time.Time `json:"degraded_since,omitzero"` // zero unless State is CacheDegraded

	// LastError is the latest failure of Redis, however long ago; empty: none.
	LastError string `json:"last_error,omitempty"`

	Failures tiered.Failures `json:"failures"` // of Redis, by kind

	// Lease is for how much longer this process may answer by itself without
	// news from Redis; zero: not at all.
	Lease time.Duration `json:"lease_ns"`

	// RedisLatency is a moving average over the latest reads; zero: none yet.
	RedisLatency time.Duration `json:"redis_latency_ns"`

	// PendingInvalidations are those that Redis has not acknowledged, and that
	// other nodes may not know of.
	PendingInvalidations int `json:"pending_invalidations"`

	Total CacheUse            `json:"total"`
	Kinds map[string]CacheUse `json:"kinds"` // by the name of each kind of key
}

// CacheUse is what a cache was asked since it was made, and who answered. The
// rates are from 0 to 1, and 0 before the first call; callers who waited while
// another's call looked for the same key are neither hits nor misses.
type CacheUse struct {
	Gets        uint64 `json:"gets"`         // calls
	LocalHits   uint64 `json:"local_hits"`   // answered by this process
	LocalMisses uint64 `json:"local_misses"` // looked for in Redis, or in the database without one
	RedisHits   uint64 `json:"redis_hits"`   // of those: answered by Redis
	RedisMisses uint64 `json:"redis_misses"` // of those: not
	Loads       uint64 `json:"loads"`        // questions to the database

	LoadErrors  uint64 `json:"load_errors"`  // questions that the database did not answer
	Overloaded  uint64 `json:"overloaded"`   // calls refused because too many questions waited
	Damped      uint64 `json:"damped"`       // calls answered with the error of a moment ago
	Stale       uint64 `json:"stale"`        // calls answered with a StaleError
	RedisErrors uint64 `json:"redis_errors"` // calls that Redis did not answer
	Undecodable uint64 `json:"undecodable"`  // values in Redis that made no sense, or were too large to be put there

	LocalHitRate float64 `json:"local_hit_rate"` // of the calls
	RedisHitRate float64 `json:"redis_hit_rate"` // of the local misses
	HitRate      float64 `json:"hit_rate"`       // of the calls, either tier
}

// CacheStatus returns a snapshot of what the cache of this node has done and
// how its link to Redis does. It does not ask Redis and does not block.
func (s *Service) CacheStatus() CacheStatus {
	link := s.redis.Status()
	st := CacheStatus{
		Enabled:              link.Enabled,
		Connected:            link.Connected,
		Tracking:             link.Tracking,
		RedisLatency:         link.Latency,
		Failures:             link.Failures,
		Lease:                link.Lease,
		PendingInvalidations: link.Pending,
		Kinds:                make(map[string]CacheUse),
	}
	st.State, st.DegradedSince = stateOf(link)
	if link.Err != nil {
		st.LastError = link.Err.Error()
	}
	for name, stats := range s.Stats() {
		use := useOf(stats)
		st.Kinds[name] = use.rated()
		st.Total = st.Total.plus(use)
	}
	st.Total = st.Total.rated()
	return st
}

// String returns one line that answers whether the cache is working.
func (st CacheStatus) String() string {
	text := "cache " + string(st.State)
	if st.State == CacheDegraded {
		text += " since " + st.DegradedSince.UTC().Format(time.RFC3339)
	}
	text += fmt.Sprintf(": %.1f%% of %d calls answered by it", 100*st.Total.HitRate, st.Total.Gets)
	if st.State == CacheDegraded && st.LastError != "" {
		text += ", Redis: " + st.LastError
	}
	return text
}

// stateOf returns the state, and since when it is degraded. A connection that
// Redis fails again and again is no better than none.
func stateOf(link tiered.RedisStatus) (CacheState, time.Time) {
	switch {
	case !link.Enabled:
		return CacheOff, time.Time{}
	case !link.Connected:
		return CacheDegraded, link.Since
	case !link.OpenSince.IsZero():
		return CacheDegraded, link.OpenSince
	default:
		return CacheWorking, time.Time{}
	}
}

func useOf(s tiered.Stats) CacheUse {
	return CacheUse{
		Gets:        s.Gets,
		LocalHits:   s.LocalHits,
		LocalMisses: s.Flights,
		RedisHits:   s.RedisHits,
		RedisMisses: s.Flights - min(s.RedisHits, s.Flights), // the counters are read one after another
		Loads:       s.Loads,
		LoadErrors:  s.LoadErrors,
		Overloaded:  s.Overloaded,
		Damped:      s.Damped,
		Stale:       s.Stale,
		RedisErrors: s.RedisErrors,
		Undecodable: s.Undecodable,
	}
}

func (u CacheUse) plus(o CacheUse) CacheUse {
	u.Gets += o.Gets
	u.LocalHits += o.LocalHits
	u.LocalMisses += o.LocalMisses
	u.RedisHits += o.RedisHits
	u.RedisMisses += o.RedisMisses
	u.Loads += o.Loads
	u.LoadErrors += o.LoadErrors
	u.Overloaded += o.Overloaded
	u.Damped += o.Damped
	u.Stale += o.Stale
	u.RedisErrors += o.RedisErrors
	u.Undecodable += o.Undecodable
	return u
}

// rated returns u with its rates.
func (u CacheUse) rated() CacheUse {
	u.LocalHitRate = rate(u.LocalHits, u.LocalMisses)
	u.RedisHitRate = rate(u.RedisHits, u.RedisMisses)
	u.HitRate = rate(u.LocalHits+u.RedisHits, u.RedisMisses)
	return u
}

func rate(hits, misses uint64) float64 {
	return float64(hits) / float64(max(1, hits+misses))
}
