package tiered

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A damper remembers which keys could not be loaded. One failure may be chance,
// and the next caller tries again. From the second on within maxDamping, who
// asks for the key is given the error of that load, instead of another load, for
// minDamping, and each time twice as long, up to maxDamping, while loads of the
// key go on failing. It is looked at before a load, never on a hit, and is apart
// from the local tier, where errors would evict values.
//
// It ends with a load that succeeds, and with an invalidation of the key or its
// tag. It does not end with a push: a key that is damped is not in Redis, so
// what is pushed about it is mostly the fill lease of another node, and were
// that the end, the nodes of a fleet would take turns at a load that fails. A
// value that someone puts there is found all the same, as Redis is asked first.
type damper struct {
	failing atomic.Int64 // how many are remembered, for a look without the lock

	seed          maphash.Seed
	invalidations [1024]atomic.Uint64 // by the key's hash

	mu       sync.Mutex
	failures *simplelru.LRU[string, failedLoad] // by Redis key
}

type failedLoad struct {
	err   error
	began epochs        // of the flight
	until int64         // monotonic time
	wait  time.Duration // before jitter; 0: it is the first
}

// epochs count the invalidations of a key and of its tag. Those whose hashes are
// the same share a count, which costs a load too many now and then: the more,
// the more invalidations there are in the fleet.
type epochs struct{ key, tag uint64 }

func (c *Cache[K, V]) epochs(at place) epochs {
	return epochs{key: c.damper.count(at.key).Load(), tag: c.tickets.tags.epoch(at.tag)}
}

// Arbitrary: short beside the patience of a caller, long beside a load. Under
// maxDamping, 1,000 keys that fail cost a node about as many loads per second.
const (
	minDamping = 100 * time.Millisecond
	maxDamping = time.Second

	// When more keys fail, those that were not asked for are forgotten first,
	// and the loads in progress are bounded by the queue.
	dampedKeys = 1024
)

func newDamper() *damper {
	failures, err := simplelru.NewLRU[string, failedLoad](dampedKeys, nil)
	if err != nil {
		panic(err) // dampedKeys is at least 1
	}
	return &damper{seed: maphash.MakeSeed(), failures: failures}
}

func (d *damper) count(key string) *atomic.Uint64 {
	return &d.invalidations[maphash.String(d.seed, key)%uint64(len(d.invalidations))]
}

func (d *damper) invalidated(key string) { d.count(key).Add(1) }

// failed notes that a load failed, which had begun at the monotonic time
// loading, in a flight that began then. If the key was invalidated while it ran,
// later callers are owed a load of their own, and check sees that.
func (d *damper) failed(key string, err error, began epochs, loading, now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	this := failedLoad{err: err, began: began, until: now}
	if last, ok := d.failures.Get(key); ok && loading < after(last.until, maxDamping) {
		this.wait = min(max(2*last.wait, minDamping), maxDamping)
		// Nodes whose loads failed together must not try again together.
		this.until = after(now, this.wait/2+rand.N(this.wait/2))
	}
	d.failures.Add(key, this)
	d.failing.Store(int64(d.failures.Len()))
}

// check returns the error of the latest load of a key, while it is damped.
func (d *damper) check(key string, at epochs, now int64) error {
	if d.failing.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.failures.Get(key)
	if !ok || last.began != at || now >= last.until {
		return nil
	}
	return last.err
}

func (d *damper) succeeded(key string) {
	if d.failing.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures.Remove(key)
	d.failing.Store(int64(d.failures.Len()))
}

// damped returns the error with which f ends instead of a load, or nil. A
// caller who wants the loader to be asked, whatever is known, is not held up.
func (f *flight[K, V]) damped() error {
	if f.reload {
		return nil
	}
	c := f.cache
	return c.damper.check(f.at.key, c.epochs(f.at), c.redis.clock.now())
}
