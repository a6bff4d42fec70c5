package tiered

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// tagIndex finds the keys of this node's tickets and entries that bear a tag.
// It has a key exactly as long as tickets does, which changes both under the
// lock of the key's shard; a lock of the index is taken inside that one.
type tagIndex struct {
	seed   maphash.Seed
	shards *[16]tagShard
}

type tagShard struct {
	mu   sync.Mutex
	keys map[string]map[string]struct{} // by tag
}

func newTagIndex() tagIndex {
	return tagIndex{seed: maphash.MakeSeed(), shards: new([16]tagShard)}
}

func (x tagIndex) shard(tag string) *tagShard {
	return &x.shards[maphash.String(x.seed, tag)%uint64(len(x.shards))]
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

// bearers returns a copy: they are voided under the locks of their own shards.
// A ticket that is opened meanwhile is for a read that has not begun.
func (x tagIndex) bearers(tag string) []string {
	sh := x.shard(tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Collect(maps.Keys(sh.keys[tag]))
}
