package tiered

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// journal holds the Redis keys whose invalidation Redis has not acknowledged.
// Until it has, this node does not believe what Redis says about them: the
// old value may still be there. Each key is held once.
type journal struct {
	count atomic.Int64 // len(keys), for a look without the lock

	// After an overflow this node believes no value in Redis that was loaded
	// before it: any of them may be one that could not be recorded.
	overflow atomic.Int64 // Unix milliseconds; 0: none yet

	mu   sync.Mutex
	keys map[string]uint64 // key → which call of add recorded it last
	adds uint64
}

// journalLimit bounds the journal. At some 100 bytes a key it stays near
// 10 MB; more distinct changes than that in one outage is another matter.
const journalLimit = 100_000

// add records keys and reports whether all found room.
func (j *journal) add(keys []string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.keys == nil {
		j.keys = make(map[string]uint64)
	}
	j.adds++
	room := true
	for _, k := range keys {
		if _, ok := j.keys[k]; !ok && len(j.keys) >= journalLimit {
			room = false
			continue
		}
		j.keys[k] = j.adds
	}
	if !room {
		j.overflow.Store(time.Now().UnixMilli())
	}
	j.count.Store(int64(len(j.keys)))
	return room
}

// believes reports whether f may be taken from Redis.
func (j *journal) believes(f frame) bool { return f.writtenAfter(j.overflow.Load()) }

// has reports whether a key, or its tag, waits for its acknowledgement.
func (j *journal) has(at place) bool {
	if j.count.Load() == 0 {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.keys[at.key]
	if !ok && at.tag != "" {
		_, ok = j.keys[at.tag]
	}
	return ok
}

// snapshot returns all keys, with the mark that settle wants.
func (j *journal) snapshot() (keys []string, mark uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.keys)), j.adds
}

// settle removes keys that were acknowledged, except those recorded again
// since the snapshot was taken: their latest change came after it.
func (j *journal) settle(keys []string, mark uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, k := range keys {
		if n, ok := j.keys[k]; ok && n <= mark {
			delete(j.keys, k)
		}
	}
	j.count.Store(int64(len(j.keys)))
}
