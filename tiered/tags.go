package tiered

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// tagIndex finds what this node knows of a tag.
//
// Of tickets and entries it has the keys, exactly as long as tickets has them:
// that changes both under the lock of the key's shard; a lock of the index is
// taken inside that one.
//
// Flights are joined by their key, which an invalidation of the tag does not
// know, and a flight has not always a ticket. So the index counts invalidations,
// and a caller does not take the outcome of a flight that began at a lower
// count than the caller came at. Tags whose hashes are the same share a count,
// which costs a look too many now and then.
type tagIndex struct {
	seed   maphash.Seed
	shards *[256]tagShard
}

type tagShard struct {
	invalidations atomic.Uint64

	mu   sync.Mutex
	keys map[string]map[string]struct{} // by tag
}

func newTagIndex() tagIndex {
	return tagIndex{seed: maphash.MakeSeed(), shards: new([256]tagShard)}
}

func (x tagIndex) shard(tag string) *tagShard {
	return &x.shards[maphash.String(x.seed, tag)%uint64(len(x.shards))]
}

// epoch returns the count of a tag's invalidations; 0 for no tag.
func (x tagIndex) epoch(tag string) uint64 {
	if tag == "" {
		return 0
	}
	return x.shard(tag).invalidations.Load()
}

// invalidate counts one more, and returns the keys of the tag's tickets and
// entries: a copy, as they are voided under the locks of their own shards. A
// ticket that is opened meanwhile is for a read that has not begun.
func (x tagIndex) invalidate(tag string) []string {
	sh := x.shard(tag)
	sh.invalidations.Add(1)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Collect(maps.Keys(sh.keys[tag]))
}

func (x tagIndex) add(at place) {
	if at.tag == "" {
		return
	}
	sh := x.shard(at.tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.keys == nil {
		sh.keys = make(map[string]map[string]struct{})
	}
	if sh.keys[at.tag] == nil {
		sh.keys[at.tag] = make(map[string]struct{})
	}
	sh.keys[at.tag][at.key] = struct{}{}
}

func (x tagIndex) remove(at place) {
	if at.tag == "" {
		return
	}
	sh := x.shard(at.tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.keys[at.tag], at.key)
	if len(sh.keys[at.tag]) == 0 {
		delete(sh.keys, at.tag)
	}
}
