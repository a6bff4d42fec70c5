package tiered

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// An entry is one key's place in the local tier. It begins as a ticket: opened
// before the key is read from Redis or the loader, it gathers any push or
// purge for the key that arrives meanwhile. Only a ticket that none has voided
// is committed, with a value, and served. An entry changes in one direction:
//
//	ticket ──commit──▶ live ──void──▶ void
//	   └───────────────void──────────▶ void
//
// (A live entry whose time is over may be carried along, see stale.go.)
//
// The ticket is what keeps a push from being overtaken by the fill it should
// have stopped:
//
//  1. this node sends GET and Redis registers it for the key
//  2. another node changes the key: Redis sends the value, then the push
//  3. the goroutine that reads the connection handles the push; there is
//     nothing to drop yet
//  4. the goroutine that waited for the GET wakes up, and would store the old
//     value with nothing left to ever drop it
//
// With a ticket opened before 1, step 3 voids it and step 4 stores nothing
// (TestPushBeforeFill).
type entry[K comparable, V any] struct {
	// What a local hit looks at is first, and takes less than a cache line with a
	// key that is a string.
	next    atomic.Pointer[entry[K, V]] // in its bucket of the local tier
	hash    uint64                      // of key in the local tier; like key, written once, before it is there
	key     K
	session uint64       // the id of the session it was filled under
	expires atomic.Int64 // monotonic time; 0: a ticket, or void
	used    atomic.Bool  // hit since the queues last looked
	look    bool         // of a ticket: a look opened it, and no flight has taken it over; guarded by the mu of its shard

	// Written before commit, or before an outcome points to value; read-only afterwards.
	alone      bool // Redis was not asked: it expires within MaxStale, and needs no lease
	absent     bool
	value      V
	at         place
	staleUntil int64 // monotonic time up to which the value may be served stale; 0: never

	refreshed atomic.Bool // a refresh ahead has been begun, or was not possible

	// Guarded by the mu of its shard.
	echoes bool          // the next push is the echo of this node's own write
	late   bool          // of a ticket: a caller went without waiting for it any longer
	voided chan struct{} // made for one who waits
	former *entry[K, V]  // of a ticket: what may be served stale if nothing comes of it
}

// answer returns what a live entry says.
func (e *entry[K, V]) answer() (V, error) {
	if e.absent {
		var zero V
		return zero, ErrNotFound
	}
	return e.value, nil
}

// tickets finds the one entry that answers for a Redis key: the latest ticket,
// or the entry that was made of it. It never keeps more than those who look or fly
// and the local tier do: who drops an entry calls release.
type tickets[K comparable, V any] struct {
	seed   maphash.Seed
	clock  clock
	shards [64]ticketShard[K, V]
	tags   tagIndex
}

type ticketShard[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[string]*entry[K, V] // by Redis key
}

func newTickets[K comparable, V any]() *tickets[K, V] {
	t := &tickets[K, V]{seed: maphash.MakeSeed(), tags: newTagIndex()}
	for i := range t.shards {
		t.shards[i].entries = make(map[string]*entry[K, V])
	}
	return t
}

func (t *tickets[K, V]) shard(key string) *ticketShard[K, V] {
	return &t.shards[maphash.String(t.seed, key)%uint64(len(t.shards))]
}

// open returns a new ticket for a key, read under session s. Any earlier ticket
// or entry for it is void: the new one will say what the key holds. Who
// waits on the earlier one waits on the new one from now on. (Were they woken,
// two flights for one key that both wait would wake each other for ever.)
func (t *tickets[K, V]) open(at place, s *session) *entry[K, V] {
	e := &entry[K, V]{at: at, session: s.id}
	sh := t.shard(at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t.openLocked(sh, e)
	return e
}

// openFirst is open for a look at a key that has no open ticket; else it returns
// nil.
func (t *tickets[K, V]) openFirst(at place, s *session) *entry[K, V] {
	sh := t.shard(at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if last := sh.entries[at.key]; last != nil && last.expires.Load() == 0 {
		return nil
	}
	e := &entry[K, V]{at: at, session: s.id, look: true}
	t.openLocked(sh, e)
	return e
}

// takeOver makes e, a ticket of openFirst, one like that of open, and reports whether
// it is good for anything: not if it is void.
func (t *tickets[K, V]) takeOver(e *entry[K, V]) bool {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e.look = false
	return sh.entries[e.at.key] == e
}

// renew returns e, whose lease has been placed, or another ticket in its place if e
// is void or another was opened since. That one expects no echo: should the lease's
// come now, it is voided.
func (t *tickets[K, V]) renew(e *entry[K, V], s *session) *entry[K, V] {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[e.at.key] != e {
		e = &entry[K, V]{at: e.at, session: s.id}
		t.openLocked(sh, e)
	}
	return e
}

// looked reports whether the open ticket of a key is one of openFirst that no flight
// has taken over.
func (t *tickets[K, V]) looked(key string) bool {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	last := sh.entries[key]
	return last != nil && last.look && last.expires.Load() == 0
}

func (t *tickets[K, V]) openLocked(sh *ticketShard[K, V], e *entry[K, V]) {
	at := e.at
	if old := sh.entries[at.key]; old != nil {
		t.inheritLocked(e, old)
		e.voided, old.voided = old.voided, nil
	} else {
		t.tags.add(at) // else it is there: an invalidation must find what e carries all the time
	}
	sh.entries[at.key] = e
}

// commit makes a ticket a live entry until the monotonic time expires, and
// reports whether it did: a voided ticket stays void.
func (t *tickets[K, V]) commit(e *entry[K, V], expires int64) bool {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries[e.at.key] != e && !broken("ticket") {
		return false
	}
	e.echoes = false
	e.dropFormerLocked()
	e.expires.Store(expires)
	e.wakeLocked() // those who waited on an earlier ticket: here is the answer
	return true
}

// followed reports whether another ticket or entry answers for the key of e, which
// was not committed: then that may be why.
func (t *tickets[K, V]) followed(e *entry[K, V]) bool {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.entries[e.at.key] != nil
}

// expectEcho is called with a ticket in hand, right before this node writes the
// key: Redis will push that very change to it (rules 1 and 2 of remote), and
// the push must not void the ticket. Should a push about another's change
// come first, it is taken for the echo, and the echo voids the ticket: a fill
// is lost, nothing old is kept. For the write is a compare-and-set, so the
// other's change either made it fail or came after it, and after the echo.
//
// That holds as long as there is an echo. Where it is not sure, after a lease,
// noEcho is called before the value is written: a push about a change of that
// must void the ticket (TestPushWithoutEcho).
func (t *tickets[K, V]) expectEcho(e *entry[K, V]) {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e.echoes = true
}

// expectsEcho reports whether e waits for an echo that has not come.
func (t *tickets[K, V]) expectsEcho(e *entry[K, V]) bool {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return e.echoes
}

// noEcho takes note that the echo which e expected has come, or never will.
func (t *tickets[K, V]) noEcho(e *entry[K, V]) {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e.echoes = false
}

// echo reports whether a push for key is the echo that its ticket expects.
func (t *tickets[K, V]) echo(key string) bool {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	if e == nil || !e.echoes {
		return false
	}
	e.echoes = false
	return true
}

// void ends the entry for key, if there is one, and reports whether there was.
func (t *tickets[K, V]) void(key string) bool {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return t.voidLocked(sh, key)
}

// release ends e, a ticket of which nothing came or an entry that was evicted,
// unless another answers for its key by now. That one may carry e.
func (t *tickets[K, V]) release(e *entry[K, V]) {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch last := sh.entries[e.at.key]; {
	case last == e:
		t.restoreLocked(sh, e)
	case last != nil && last.former == e:
		last.dropFormerLocked()
	}
}

// wait returns a channel that is closed when the key may have changed: when e,
// or the latest ticket that has taken its place, is committed, released or
// void. That one was opened later and will read later, so nothing is missed.
func (t *tickets[K, V]) wait(e *entry[K, V]) <-chan struct{} {
	sh := t.shard(e.at.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	last := sh.entries[e.at.key]
	if last == nil || last.expires.Load() != 0 {
		return closed
	}
	if last.voided == nil {
		last.voided = make(chan struct{})
	}
	return last.voided
}

// closed is what one waits on who need not wait.
var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

// voidLocked ends the entry for key. sh.mu is held.
func (t *tickets[K, V]) voidLocked(sh *ticketShard[K, V], key string) bool {
	e := sh.entries[key]
	if e == nil {
		return false
	}
	delete(sh.entries, key)
	t.tags.remove(e.at)
	e.expires.Store(0)
	e.dropFormerLocked()
	e.wakeLocked()
	return true
}

// dropFormerLocked voids what e carries.
func (e *entry[K, V]) dropFormerLocked() {
	if e.former != nil {
		e.former.expires.Store(0)
		e.former = nil
	}
}

func (e *entry[K, V]) wakeLocked() {
	if e.voided != nil {
		close(e.voided)
		e.voided = nil
	}
}
