package tiered

import "github.com/hashicorp/golang-lru/v2/simplelru"

// An Eviction is a way to choose what the local tier evicts for want of room.
type Eviction int

const (
	// EvictTwoQueue keeps what is asked for again. What is asked for once passes
	// through a tenth of the room, and leaves the rest to what is in use, so that
	// a scan over all leads evicts little of that. It is the default: it keeps
	// more than EvictLRU when some keys are always asked for more often than
	// others.
	EvictTwoQueue Eviction = iota

	// EvictLRU evicts what has not been used for the longest time. It keeps more
	// where the keys in use change all the time.
	EvictLRU
)

// queues choose which entry of a shard is evicted. Those of golang-lru's
// simplelru hold the entries in the order in which they came. A hit moves
// nothing: it leaves a mark on the entry, and when that is the oldest and would
// be evicted, the queues wipe the mark and put it back to the front.
//
// With one queue that is LRU by second chance, also called clock. With two it is
// 2Q (Johnson and Shasha, 1994) in the form of S3-FIFO (Yang et al., 2023): an
// entry begins in probation, a small queue; at its end it goes on to the main one
// if it was used, or else is evicted and leaves a ghost, the hash of its key. What
// comes while its ghost is there belongs into the main queue at once.
//
// The mu of the shard guards them.
type queues[K comparable, V any] struct {
	policy Eviction
	room   int // for entries
	small  int // of that, for those in probation before others have to go

	probation, main queue[*entry[K, V]]
	ghosts          queue[uint64]
}

// probationShare is how many of a hundred entries are in probation. With 5 to 25
// the traces of bench differ by less than a point, but for the one that drifts,
// where more is better.
const probationShare = 10

// maxChances is how many entries one eviction puts back. With 16, the traces of bench
// differ by 0.02 points from any number.
const maxChances = 16

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

// all returns the entries.
func (q *queues[K, V]) all() []*entry[K, V] { return append(q.main.all(), q.probation.all()...) }

// add takes e in, and returns what it evicted, or nil.
func (q *queues[K, V]) add(e *entry[K, V]) (evicted *entry[K, V]) {
	if q.len() >= q.room {
		evicted = q.evict()
	}
	if q.policy == EvictLRU || q.ghosts.Remove(e.hash) {
		q.main.push(e)
	} else {
		q.probation.push(e)
	}
	return evicted
}

// replace puts e in the place of old, an entry with the same key.
func (q *queues[K, V]) replace(old, e *entry[K, V]) {
	e.used.Store(true) // the key was asked for again
	if q.main.Remove(old) {
		q.main.push(e)
	} else {
		q.probation.Remove(old)
		q.probation.push(e)
	}
}

// evict takes out one entry. In a tier that was filled with what is in use, all
// have the mark: after some that were given their second chance the next is
// evicted all the same, as someone waits, and the lock is held.
func (q *queues[K, V]) evict() *entry[K, V] {
	for chances := maxChances; ; chances-- {
		from := q.main
		if from.len() == 0 || q.policy == EvictTwoQueue && q.probation.len() >= q.small {
			from = q.probation
		}
		e := from.pop()
		if e.expires.Load() != 0 && e.used.Swap(false) && chances > 0 { // what is void is of no use
			q.main.push(e)
			continue
		}
		if from == q.probation {
			q.ghosts.push(e.hash)
		}
		return e
	}
}

// A queue has what is pushed at its front, and the oldest at its end.
type queue[T comparable] struct {
	*simplelru.LRU[T, struct{}]
}

// newQueue returns one that holds so many, and drops the oldest beyond that.
func newQueue[T comparable](room int) queue[T] {
	lru, err := simplelru.NewLRU[T, struct{}](room, nil)
	if err != nil {
		panic(err) // the room is at least 1: New has validated LocalEntries
	}
	return queue[T]{lru}
}

func (q queue[T]) push(v T) { q.Add(v, struct{}{}) }

// pop takes out the oldest. There must be one.
func (q queue[T]) pop() T {
	v, _, _ := q.RemoveOldest()
	return v
}

func (q queue[T]) all() []T {
	if q.LRU == nil {
		return nil
	}
	return q.Keys()
}

func (q queue[T]) len() int {
	if q.LRU == nil {
		return 0
	}
	return q.Len()
}
