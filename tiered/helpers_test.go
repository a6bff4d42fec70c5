package tiered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// dial returns a connected Redis; on the shared test server unless o says
// where.
func dial(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	if o.URL == "" {
		o.URL = servertest.RedisURL(t)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second // a busy machine is not a fault
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	r, err := Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	connected(t, r)
	return r
}

func connected(t testing.TB, r *Redis) {
	t.Helper()
	servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Connected }, "connection to Redis")
}

// anotherSession waits until the session is another than before.
func anotherSession(t testing.TB, r *Redis, before *session) {
	t.Helper()
	servertest.Eventually(t, 30*time.Second, func() bool { return r.current.Load() != before }, "a new session")
}

// source is a loader over a versioned truth: key k has the value "k@version".
type source struct {
	loads   atomic.Int64
	version atomic.Int64

	mu     sync.Mutex
	before func(ctx context.Context, key string) error // called by each load first
	after  func(key string)                            // called by each load with the value in hand
}

var errSource = errors.New("source is down")

func (s *source) Load(ctx context.Context, key string) (string, error) {
	s.loads.Add(1)
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, key); err != nil {
			return "", err
		}
	}
	value := fmt.Sprintf("%s@%d", key, s.version.Load())
	if after != nil {
		after(key)
	}
	return value, nil
}

// holdFirst has the first load stop with the value in hand: it closes loading, and
// goes on when goOn is closed.
func (s *source) holdFirst() (loading, goOn chan struct{}) {
	loading, goOn = make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	s.hook(nil, func(string) {
		if first.CompareAndSwap(false, true) {
			close(loading)
			<-goOn
		}
	})
	return loading, goOn
}

func (s *source) hook(before func(context.Context, string) error, after func(string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// change makes a new truth, without telling anyone.
func (s *source) change() { s.version.Add(1) }

var plain = Keyspace[string]{Name: "plain", Key: func(k string) string { return k }}

func newCache(t testing.TB, r *Redis, l Loader[string, string], o Options) *Cache[string, string] {
	t.Helper()
	return newCacheOf(t, r, plain, l, o)
}

func newCacheOf(t testing.TB, r *Redis, keys Keyspace[string], l Loader[string, string], o Options) *Cache[string, string] {
	t.Helper()
	c, err := New(r, keys, l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		checkClosed(t, c)
	})
	return c
}

// checkClosed holds a closed, idle cache against what must be true of any.
func checkClosed(t testing.TB, c *Cache[string, string]) {
	t.Helper()
	st := c.Stats()
	if st.Gets != st.LocalHits+st.Flights+st.Shared {
		t.Errorf("Gets = %d, want LocalHits + Flights + Shared of %+v", st.Gets, st)
	}
	if st.Entries != 0 {
		t.Errorf("%d entries left after Close", st.Entries)
	}
	if open := c.tickets.open4test(); open != 0 {
		t.Errorf("%d tickets left open", open)
	}
	if !c.loads.slots.TryAcquire(int64(c.opts.MaxLoads)) || c.loads.waiting.Load() != 0 {
		t.Error("a load has kept its slot, or its place in line")
	}
	if n := len(c.leases.held); n != 0 {
		t.Errorf("%d fill leases are thought to be in use", n)
	}
}

// len counts the entries and the open tickets.
func (t *tickets[K, V]) len() int {
	n := 0
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		n += len(sh.entries)
		sh.mu.Unlock()
	}
	return n
}

// latest4test returns the ticket or entry that answers for a Redis key, or nil.
func (t *tickets[K, V]) latest4test(key string) *entry[K, V] {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.entries[key]
}

// open4test counts tickets that were neither committed nor voided.
func (t *tickets[K, V]) open4test() int {
	n := 0
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		for _, e := range sh.entries {
			if e.expires.Load() == 0 {
				n++
			}
		}
		sh.mu.Unlock()
	}
	return n
}

// seemLooked makes it seem that somebody looks for key, so that who comes next
// does not, and joins a flight.
func seemLooked[V any](c *Cache[string, V], key string) {
	c.tickets.open(c.place(key), c.redis.current.Load())
}

// get wants an answer and no error.
func get(t testing.TB, c *Cache[string, string], key, want string) {
	t.Helper()
	got, err := c.Get(t.Context(), key)
	if err != nil || got != want {
		t.Fatalf("Get(%q) = %q, %v, want %q", key, got, err, want)
	}
}

// sees waits until c answers want. It is for keys that c holds: then only news
// of the change, or the end of a TTL, makes it ask again.
func sees(t testing.TB, c *Cache[string, string], key, want string) {
	t.Helper()
	servertest.Eventually(t, 30*time.Second, func() bool {
		got, err := c.Get(t.Context(), key)
		return err == nil && got == want
	}, "new value on the other node")
}

// gate is a remote whose calls a test may hold up or fail.
type gate struct {
	remote
	afterRead        func(key string)
	afterFill        func(key string) // or swap
	beforeInvalidate func()
	beforeRead       func()
	beforeWrite      func([]write) // of writeMany
	fail             error         // of read, which then does nothing
	loseLease        error         // of lease, which does its work all the same
}

func (g *gate) lease(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	ok, err := g.remote.lease(ctx, at, old, value, ttl)
	if g.loseLease != nil {
		return false, g.loseLease
	}
	return ok, err
}

func (g *gate) read(ctx context.Context, at place) ([]byte, time.Duration, error) {
	if g.fail != nil {
		return nil, 0, g.fail
	}
	if g.beforeRead != nil {
		g.beforeRead()
	}
	b, left, err := g.remote.read(ctx, at)
	if g.afterRead != nil {
		g.afterRead(at.key)
	}
	return b, left, err
}

func (g *gate) readMany(ctx context.Context, at []place) []reply {
	if g.fail != nil {
		return failAll(len(at), g.fail)
	}
	if g.beforeRead != nil {
		g.beforeRead()
	}
	replies := g.remote.readMany(ctx, at)
	if g.afterRead != nil {
		for i := range replies {
			g.afterRead(at[i].key)
		}
	}
	return replies
}

func (g *gate) writeMany(ctx context.Context, writes []write) []reply {
	if g.beforeWrite != nil {
		g.beforeWrite(writes)
	}
	replies := g.remote.writeMany(ctx, writes)
	for i := range replies {
		switch verb := writes[i].verb; {
		case verb == toFill && g.afterFill != nil:
			g.afterFill(writes[i].at.key)
		case verb == toLease && g.loseLease != nil:
			replies[i] = reply{err: g.loseLease}
		}
	}
	return replies
}

func (g *gate) fill(ctx context.Context, at place, lease, value []byte, ttl time.Duration) (bool, error) {
	ok, err := g.remote.fill(ctx, at, lease, value, ttl)
	if g.afterFill != nil {
		g.afterFill(at.key)
	}
	return ok, err
}

func (g *gate) swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	ok, err := g.remote.swap(ctx, at, old, value, ttl)
	if g.afterFill != nil {
		g.afterFill(at.key)
	}
	return ok, err
}

func (g *gate) invalidate(ctx context.Context, keys []string) error {
	if g.beforeInvalidate != nil {
		g.beforeInvalidate()
	}
	return g.remote.invalidate(ctx, keys)
}

// intercept puts a gate before r's connection.
func intercept(r *Redis, g *gate) {
	g.remote = r.current.Load().remote
	setRemote(r, g, forever)
}

// newPrefix returns a key prefix of the test's own on the shared server.
func newPrefix(t testing.TB) string {
	t.Helper()
	return servertest.Prefix(t, servertest.RedisURL(t))
}
