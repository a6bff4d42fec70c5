package tiered

import "sync/atomic"

// Stats is a snapshot of what a [Cache] has done since it was made. The
// counters are read one after another while the cache works on, so sums over
// a busy cache may be off by the calls in progress. Once it is idle,
//
//	Gets = LocalHits + Flights + Shared
//
// where a flight is one way past the local tier, made for one caller and
// shared by those who asked for the same key meanwhile.
type Stats struct {
	Gets      uint64 // calls of Get, and the keys of those of GetMany
	LocalHits uint64 // answered by the local tier
	Shared    uint64 // shared a flight that another call had begun
	Flights   uint64 // went past the local tier
	RedisHits uint64 // flights answered by the Redis tier

	Loads      uint64 // calls of the loader; of LoadMany, the keys
	LoadErrors uint64 // of those: failed, ErrNotFound not counted
	Refreshes  uint64 // of the loads: to refresh a value ahead of its end, for no caller
	Batches    uint64 // calls of LoadMany
	Waits      uint64 // times a flight waited for another node's fill
	Refused    uint64 // results that an invalidation kept out of a tier

	Overloaded uint64 // flights that ended with ErrOverloaded
	Damped     uint64 // flights that ended with the error of a load of a moment ago
	Stale      uint64 // calls of Get answered with a StaleError

	Undecodable uint64 // values the codec or the frame refused: misses when read, not stored when written
	RedisErrors uint64 // failed calls to Redis by flights; the latest error is in RedisStatus
	Pushes      uint64 // entries and tickets ended because Redis or another node said so
	Evictions   uint64 // entries dropped for want of room
	Entries     int    // entries in the local tier, expired ones included
}

// counters are the counters that are off the hot path; local has the others.
type counters struct {
	flights, redisHits, loads, batches, loadErrors, refreshes, waits, refused atomic.Uint64
	overloaded, damped, stale                                                 atomic.Uint64
	undecodable, redisErrors, pushes                                          atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Flights:     c.flights.Load(),
		RedisHits:   c.redisHits.Load(),
		Loads:       c.loads.Load(),
		Batches:     c.batches.Load(),
		LoadErrors:  c.loadErrors.Load(),
		Refreshes:   c.refreshes.Load(),
		Waits:       c.waits.Load(),
		Refused:     c.refused.Load(),
		Overloaded:  c.overloaded.Load(),
		Damped:      c.damped.Load(),
		Stale:       c.stale.Load(),
		Undecodable: c.undecodable.Load(),
		RedisErrors: c.redisErrors.Load(),
		Pushes:      c.pushes.Load(),
	}
}
