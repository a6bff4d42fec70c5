package tiered

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unsafe"

	"leadcache/tiered/internal/prefetch"
)

// local is the in-process tier: live entries by key. It is a hash table of a
// fixed size whose entries are chained. A look-up takes no lock and writes
// nothing that another processor reads, but for the mark on an entry that had
// none. Who adds or evicts has the lock of one shard, which has its share of the
// buckets, and the queues that choose what is evicted.
//
// An entry is not changed to make room for another, and one that was taken out
// keeps its next: who stands on it goes on along the chain that there was, and
// misses no more than one who came a moment earlier. (What it finds is checked
// as always, so an entry that was taken out because it is void is not served.)
//
// Expiry, sessions and the freshness lease are checked on read; no goroutine
// sweeps.
type local[K comparable, V any] struct {
	seed    maphash.Seed
	mask    uint64                        // of a hash: its bucket
	buckets []atomic.Pointer[entry[K, V]] // the latest entry of each; their number is a power of two
	shards  []localShard[K, V]            // the same; a bucket's shard is its number, as far as there are shards

	hits, misses counter
}

type localShard[K comparable, V any] struct {
	mu     sync.Mutex // held while a bucket of the shard is changed
	queues queues[K, V]
	evicts uint64
	closed bool     // takes nothing any more
	_      [64]byte // keeps two shards off one cache line
}

const (
	maxShards       = 64
	entriesPerShard = 256 // fewer make a shard evict by luck of the hash, not by use
)

// newLocal returns a tier of at most limit entries, split evenly: a shard may
// evict while another has room.
func newLocal[K comparable, V any](limit int, policy Eviction) *local[K, V] {
	n := 1
	for n < maxShards && n*2*entriesPerShard <= limit {
		n *= 2
	}
	buckets := n
	for buckets < 2*limit { // with as many as entries, a hit looks at half another's first
		buckets *= 2
	}
	l := &local[K, V]{
		seed:    maphash.MakeSeed(),
		mask:    uint64(buckets - 1),
		buckets: make([]atomic.Pointer[entry[K, V]], buckets),
		shards:  make([]localShard[K, V], n),
	}
	for i := range l.shards {
		room := limit / n
		if i < limit%n {
			room++
		}
		l.shards[i].queues = newQueues[K, V](room, policy)
	}
	return l
}

func (l *local[K, V]) bucket(hash uint64) *atomic.Pointer[entry[K, V]] {
	return &l.buckets[hash&l.mask]
}

func (l *local[K, V]) shard(hash uint64) *localShard[K, V] {
	return &l.shards[hash&uint64(len(l.shards)-1)]
}

func (l *local[K, V]) hashOf(key K) uint64 { return maphash.Comparable(l.seed, key) }

// fetch lets the processor bring the bucket of a hash near. Who goes on with what
// takes a while, the clock say, has it by then: in a large tier a look-up spends
// nearly all of its time waiting for memory.
func (l *local[K, V]) fetch(hash uint64) { prefetch.Line(unsafe.Pointer(l.bucket(hash))) }

// get returns the entry for key, which has that hash, if it may be served at the
// monotonic time now, under the current session s; otherwise nil.
func (l *local[K, V]) get(key K, hash uint64, s *session, now int64) *entry[K, V] {
	// The lease comes before the entry. Were it last, a reader that was held up
	// in between could see the entry live, sleep while it is voided and the lease
	// renewed, and then find the lease good for its old now (TestLeaseBeforeEntry).
	fresh := s.fresh(now)
	e := l.find(key, hash)
	switch {
	case e == nil:
	case e.session != s.id && !broken("session") && !l.lingers(e, s, now):
	case e.session == s.id && !fresh && !e.alone:
	case now >= e.expires.Load():
	default:
		if !e.used.Load() {
			e.used.Store(true)
		}
		l.hits.add()
		return e
	}
	l.misses.add()
	return nil
}

// lingers reports whether e, of another session than s, may be served at the
// monotonic time now, unless it is void or has expired. What was loaded without
// Redis ends within MaxStale of its load by itself.
func (l *local[K, V]) lingers(e *entry[K, V], s *session, now int64) bool {
	if e.session < s.floor {
		return false
	}
	return e.alone || s.serves(e.session, e.hash, now)
}

// add stores e under key, in place of an older entry, and returns the one that had
// to make room, or nil. An entry that is void by now is left out: a later flight
// may have stored its own already, which must not be hidden. Once the tier is closed
// any is, and is what add returns.
func (l *local[K, V]) add(key K, e *entry[K, V]) (evicted *entry[K, V]) {
	e.key, e.hash = key, l.hashOf(key)
	sh := l.shard(e.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case sh.closed:
		return e
	case e.expires.Load() == 0:
		return nil
	}
	old := l.find(key, e.hash)
	first := l.bucket(e.hash)
	e.next.Store(first.Load())
	first.Store(e) // now it hides old
	if old != nil {
		l.unlink(old)
		sh.queues.replace(old, e)
		return nil
	}
	if evicted = sh.queues.add(e); evicted != nil {
		l.unlink(evicted)
		sh.evicts++
	}
	return evicted
}

// find returns the entry under key, whatever state it is in, or nil.
func (l *local[K, V]) find(key K, hash uint64) *entry[K, V] {
	for e := l.bucket(hash).Load(); e != nil; e = e.next.Load() {
		if e.hash == hash && e.key == key {
			return e
		}
	}
	return nil
}

// unlink takes e, which is there, out of its bucket. The mu of the shard is held.
func (l *local[K, V]) unlink(e *entry[K, V]) {
	link := l.bucket(e.hash)
	for at := link.Load(); at != e; at = link.Load() {
		link = &at.next
	}
	link.Store(e.next.Load())
}

// close drops everything, for good.
func (l *local[K, V]) close() {
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		sh.closed = true
		for _, e := range sh.queues.all() {
			l.unlink(e)
		}
		sh.queues = newQueues[K, V](1, sh.queues.policy)
		sh.mu.Unlock()
	}
}

// count adds the tier's own counters to st.
func (l *local[K, V]) count(st *Stats) {
	hits := l.hits.sum()
	st.Gets += hits + l.misses.sum()
	st.LocalHits += hits
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		st.Evictions += sh.evicts
		st.Entries += sh.queues.len()
		sh.mu.Unlock()
	}
}
