package tiered

import (
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// An Eviction is a way to choose what the local tier evicts for want of room.
type Eviction int

const (
	// EvictTwoQueue keeps what is used again: what is asked for once passes
	// through a tenth of the room, and leaves the rest to what was asked for more
	// often. Scans, and keys that come once, evict little. It is the default: in
	// three traces out of three it keeps more of what is asked for again.
	EvictTwoQueue Eviction = iota

	// EvictLRU evicts what has not been used for the longest time.
	EvictLRU
)

// queues choose which entry of a shard is evicted. Those of golang-lru's
// simplelru hold the entries in the order in which they came. A hit moves
// nothing: it leaves a mark on the entry, and the queues see to that when the
// entry is the oldest and would be evicted. It is then put back to the front,
// for as many times as it was used, up to maxUses.
//
// With one queue that is LRU by second chance (the clock algorithm). With two it
// is 2Q (Johnson and Shasha, 1994) in the form of S3-FIFO (Yang et al., 2023): an
// entry begins in a small queue; at the end of that it goes on to the main one
// if it was used, or else is evicted and leaves a ghost, the hash of its key. What
// comes while its ghost is there belongs into the main queue at once.
//
// The mu of the shard guards them.
type queues[K comparable, V any] struct {
	policy Eviction
	room   int // for entries
	small  int // of that: for those in probation, before the others have to go

	probation, main queue[*entry[K, V]]
	ghosts          queue[uint64]
}

type queue[T comparable] struct {
	*simplelru.LRU[T, struct{}]
}

func newQueue[T comparable](room int) queue[T] {
	lru, err := simplelru.NewLRU[T, struct{}](max(1, room), nil)
	if err != nil {
		panic(err) // the room is at least 1
	}
	return queue[T]{lru}
}

const (
	maxUses = 3 // a mark has so many steps

	probationShare = 10 // of a hundred entries
)

func newQueues[K comparable, V any](room int, policy Eviction) queues[K, V] {
	q := queues[K, V]{policy: policy, room: room, main: newQueue[*entry[K, V]](room)}
	if policy == EvictTwoQueue {
		q.small = max(1, room*probationShare/100)
		q.probation = newQueue[*entry[K, V]](room)
		q.ghosts = newQueue[uint64](room)
	}
	return q
}

func (q *queues[K, V]) len() int { return q.main.len() + q.probation.len() }

// add takes e in, and returns what it evicted.
func (q *queues[K, V]) add(e *entry[K, V]) (evicted []*entry[K, V]) {
	for q.len() >= q.room {
		evicted = append(evicted, q.evict())
	}
	if q.policy == EvictLRU || q.ghosts.Remove(e.hash) {
		q.main.push(e)
	} else {
		q.probation.push(e)
	}
	return evicted
}

// replace puts e in the place of old, an entry with the same key. What it was
// used, e is.
func (q *queues[K, V]) replace(old, e *entry[K, V]) {
	e.uses.Store(old.uses.Load())
	if q.main.Remove(old) {
		q.main.push(e)
	} else {
		q.probation.Remove(old)
		q.probation.push(e)
	}
}

// evict takes out one entry. It does not go round for ever: whatever it puts back
// has fewer uses left than before, and what is void has none.
func (q *queues[K, V]) evict() *entry[K, V] {
	for {
		if q.main.len() == 0 || q.probation.len() >= q.small && q.policy != EvictLRU {
			e := q.probation.pop()
			if e.used() == 0 {
				q.ghosts.push(e.hash)
				return e
			}
			e.uses.Store(0)
			q.main.push(e)
			continue
		}
		e := q.main.pop()
		uses := e.used()
		if uses == 0 {
			return e
		}
		if q.policy == EvictLRU {
			uses = 1 // how often makes no difference
		}
		e.uses.Store(uses - 1)
		q.main.push(e)
	}
}

// used returns how often e was used, as far as that counts.
func (e *entry[K, V]) used() uint32 {
	if e.expires.Load() == 0 {
		return 0 // void
	}
	return e.uses.Load()
}

// push puts v at the front.
func (q queue[T]) push(v T) { q.Add(v, struct{}{}) }

// pop takes out the oldest.
func (q queue[T]) pop() T {
	v, _, _ := q.RemoveOldest()
	return v
}

func (q queue[T]) len() int {
	if q.LRU == nil {
		return 0
	}
	return q.Len()
}
