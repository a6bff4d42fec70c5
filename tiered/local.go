package tiered

import (
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// local is the in-process tier: live entries by key, the least recently used
// evicted first, in shards so that a hit on one key seldom waits for another.
// A shard is golang-lru's simplelru under a mutex. Expiry, sessions and the
// freshness lease are checked on read; no goroutine sweeps.
type local[K comparable, V any] struct {
	seed   maphash.Seed
	shards []localShard[K, V]
}

type localShard[K comparable, V any] struct {
	mu      sync.Mutex
	lru     *simplelru.LRU[K, *entry[V]]
	evicted []*entry[V] // what the add in progress pushed out
	gets    uint64
	hits    uint64
	evicts  uint64
	closed  bool     // takes nothing any more
	_       [64]byte // keeps two shards off one cache line
}

const (
	maxShards       = 64
	entriesPerShard = 64 // fewer make a shard evict by luck of the hash, not by age
)

// newLocal returns a tier of at most limit entries, split evenly: a shard may
// evict while another has room.
func newLocal[K comparable, V any](limit int) *local[K, V] {
	n := 1
	for n < maxShards && n*2*entriesPerShard <= limit {
		n *= 2
	}
	l := &local[K, V]{seed: maphash.MakeSeed(), shards: make([]localShard[K, V], n)}
	for i := range l.shards {
		sh := &l.shards[i]
		room := limit / n
		if i < limit%n {
			room++
		}
		var err error
		sh.lru, err = simplelru.NewLRU(room, func(_ K, e *entry[V]) { sh.evicted = append(sh.evicted, e) })
		if err != nil {
			panic(err) // room is at least 1: New has validated limit
		}
	}
	return l
}

func (l *local[K, V]) shard(key K) *localShard[K, V] {
	if len(l.shards) == 1 {
		return &l.shards[0]
	}
	return &l.shards[maphash.Comparable(l.seed, key)&uint64(len(l.shards)-1)]
}

// get returns the entry for key if it may be served at the monotonic time now,
// under the current session s; otherwise nil.
func (l *local[K, V]) get(key K, s *session, now int64) *entry[V] {
	sh := l.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.gets++
	e, ok := sh.lru.Get(key)
	if !ok {
		return nil
	}
	// The lease comes before the entry. Were it last, a reader that was held up
	// in between could see the entry live, sleep while it is voided and the lease
	// renewed, and then find the lease good for its old now (TestLeaseBeforeEntry).
	if e.session != s.id && !broken("session") {
		if !l.lingers(key, e, s, now) {
			return nil
		}
	} else if !e.alone && !s.fresh(now) {
		return nil
	}
	if now >= e.expires.Load() {
		return nil
	}
	sh.hits++
	return e
}

// lingers reports whether e, of another session than s, may be served at the
// monotonic time now, unless it is void or has expired. What was loaded without
// Redis ends within MaxStale of its load by itself.
func (l *local[K, V]) lingers(key K, e *entry[V], s *session, now int64) bool {
	if e.session < s.floor {
		return false
	}
	return e.alone || s.serves(e.session, maphash.Comparable(l.seed, key), now)
}

// add stores e under key and returns the entries that had to make room. An
// entry that is void by now is left out: a later flight may have stored its
// own already, which must not be hidden. So is any once the tier is closed.
func (l *local[K, V]) add(key K, e *entry[V]) (evicted []*entry[V]) {
	sh := l.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e.expires.Load() == 0 || sh.closed {
		return nil
	}
	sh.lru.Add(key, e)
	evicted, sh.evicted = sh.evicted, nil
	sh.evicts += uint64(len(evicted))
	return evicted
}

// close drops everything, for good.
func (l *local[K, V]) close() {
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		sh.lru.Purge()
		sh.evicted = nil
		sh.closed = true
		sh.mu.Unlock()
	}
}

// count adds the tier's own counters to st.
func (l *local[K, V]) count(st *Stats) {
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		st.Gets += sh.gets
		st.LocalHits += sh.hits
		st.Evictions += sh.evicts
		st.Entries += sh.lru.Len()
		sh.mu.Unlock()
	}
}
