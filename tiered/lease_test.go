package tiered

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// A reader whose lease has ended does not serve an entry that was voided before
// the lease was renewed, however long the reader is held up in between.
func TestLeaseBeforeEntry(t *testing.T) {
	t.Parallel()
	l, tk := newLocal[string, string](1, EvictTwoQueue), newTickets[string, string]()
	for range 30_000 {
		s := newSession(forever)
		e := tk.open(place{key: "k"}, s)
		tk.commit(e, endless)
		l.add("k", e)
		s.renew(100)
		const now = 200
		var ready, begin atomic.Bool // both sides spin, to begin in the same instant
		var news sync.WaitGroup
		news.Go(func() {
			ready.Store(true)
			for !begin.Load() { // not even runtime.Gosched: it would begin too late
			}
			tk.void("k")
			s.renew(1000)
		})
		for !ready.Load() {
			runtime.Gosched()
		}
		begin.Store(true)
		for range 30 {
			if here(l, "k", s, now) != nil {
				t.Fatal("a void entry was served under a lease that was renewed after it")
			}
		}
		news.Wait()
	}
}

// A tick renews the lease from the moment at which it was sent.
func TestSlowTick(t *testing.T) {
	t.Parallel()
	const maxStale, delay = 2 * time.Second, 500 * time.Millisecond
	p, url, err := proxy.InFront(servertest.Redis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r := dial(t, RedisOptions{URL: url, MaxStale: maxStale})
	p.Delay(proxy.FromServer, delay)
	sent := r.clock.now() + int64(maxStale/beatsPerLease) // when no earlier tick is under way
	s := r.current.Load()
	servertest.Eventually(t, 30*time.Second, func() bool { return s.freshUntil.Load() > sent+int64(maxStale) }, "slow ticks")
	for range 1000 {
		until := s.freshUntil.Load()
		if left := time.Duration(until - r.clock.now()); left > maxStale-delay {
			t.Fatalf("the lease holds for %v, although what was said is %v old", left, delay)
		}
	}
}

// Without Redis, what was loaded is kept for MaxStale from when the load began.
func TestAloneSlowLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFakeServer().redis()
		setRemote(r, nil, time.Second)
		src := new(source)
		c := newCache(t, r, src, Options{})
		src.hook(nil, func(string) { time.Sleep(900 * time.Millisecond) })
		get(t, c, "k", "k@0")
		src.hook(nil, nil)
		src.change()
		time.Sleep(50 * time.Millisecond)
		get(t, c, "k", "k@0")
		time.Sleep(50 * time.Millisecond)
		get(t, c, "k", "k@1")
	})
}

// On the node that invalidates, nobody joins a flight from before it, with the
// lease or without.
func TestInvalidateWithoutLease(t *testing.T) {
	t.Parallel()
	server, src := newFakeServer(), new(source)
	r := server.redis()
	r.opts.MaxStale = time.Hour // one span
	c := newCache(t, r, src, Options{})
	r.current.Load().renew(0)
	loading, proceed := make(chan struct{}), make(chan struct{})
	src.hook(nil, func(string) { close(loading); <-proceed })
	old := make(chan string, 1)
	go func() {
		v, _ := c.Get(context.Background(), "k")
		old <- v
	}()
	<-loading
	src.hook(nil, nil)
	src.change()
	if err := c.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	get(t, c, "k", "k@1")
	close(proceed)
	<-old
}

// A server that comes back from an old snapshot holds what was deleted since.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	get(t, f.a, "k", "k@0")
	f.cli(t, "SAVE")
	f.change(t)
	f.server.Kill()
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	connected(t, f.rb)
	get(t, f.b, "k", "k@1")
	if st := f.b.Stats(); st.Undecodable == 0 {
		t.Errorf("the old value was not found in Redis, so nothing was tested: %+v", st)
	}
}

// A server that becomes the replica of one that lags, and then master again,
// has lost what it was told, and has never been away.
func TestResync(t *testing.T) {
	t.Parallel()
	one, two := servertest.Redis(t), servertest.Redis(t)
	cli := func(s interface {
		CLI(args ...string) (string, error)
	}, args ...string,
	) string {
		t.Helper()
		out, err := s.CLI(args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	follow := func(a, b interface {
		CLI(args ...string) (string, error)
	}, addr string,
	) {
		t.Helper()
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		cli(a, "REPLICAOF", host, port)
		servertest.Eventually(t, 20*time.Second, func() bool {
			return strings.Contains(cli(a, "INFO", "replication"), "master_link_status:up") &&
				strings.TrimSpace(cli(a, "DBSIZE")) == strings.TrimSpace(cli(b, "DBSIZE"))
		}, "the replica to be in step")
	}
	src := new(source)
	r := dial(t, RedisOptions{URL: one.URL()})
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	follow(two, one, one.Addr())
	cli(two, "REPLICAOF", "NO", "ONE") // from here on it lags
	src.change()
	servertest.Eventually(t, 30*time.Second, func() bool { return c.Invalidate(t.Context(), "k") == nil }, "an acknowledged invalidation")
	before := r.current.Load().life
	follow(one, two, two.Addr())
	cli(one, "REPLICAOF", "NO", "ONE")
	servertest.Eventually(t, 20*time.Second, func() bool {
		s := r.current.Load()
		return s.remote != nil && s.life != before && s.fresh(r.clock.now())
	}, "a new life")
	get(t, c, "k", "k@1")
}

// Databases of one server have channels in common, and count for themselves.
func TestTwoDatabases(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	var caches []*Cache[string, string]
	var links []*Redis
	src := new(source)
	for _, db := range []string{"0", "1"} {
		r := dial(t, RedisOptions{URL: "redis://" + srv.Addr() + "/" + db})
		links, caches = append(links, r), append(caches, newCache(t, r, src, Options{}))
	}
	idle := links[1].current.Load()
	for i := range 20 {
		if err := caches[0].Invalidate(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		until := idle.freshUntil.Load()
		servertest.Eventually(t, 30*time.Second, func() bool { return i%10 > 0 || idle.freshUntil.Load() > until }, "a tick")
	}
	if links[1].current.Load() != idle {
		t.Error("purges of another database ended the session")
	}
}

// A node that may not ask who the server is takes what the others say.
func TestInfoRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-info"); err != nil {
		t.Fatal(err)
	}
	limited := RedisOptions{URL: strings.Replace(srv.URL(), "redis://", "redis://limited:pw@", 1)}
	for _, order := range [][]RedisOptions{{{URL: srv.URL()}, limited}, {limited, {URL: srv.URL()}}} {
		first, second := dial(t, order[0]), dial(t, order[1])
		servertest.Eventually(t, 30*time.Second, func() bool {
			a, b := first.current.Load(), second.current.Load()
			return a.remote != nil && b.remote != nil && a.life == b.life
		}, "one life for both")
		a, b := first.current.Load(), second.current.Load()
		until := b.freshUntil.Load()
		servertest.Eventually(t, 30*time.Second, func() bool { return b.freshUntil.Load() > until+int64(time.Second) }, "ticks")
		if first.current.Load() != a || second.current.Load() != b {
			t.Error("the nodes do not agree on a life")
		}
		first.Close()
		second.Close()
		if _, err := srv.CLI("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
}

// FLUSHALL begins one session, not another when the next tick counts from 0.
func TestFlushAllOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	f.change(t)
	if err := f.a.Invalidate(t.Context(), "k"); err != nil && !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
	before := f.rb.Status().Sessions
	f.cli(t, "FLUSHALL")
	servertest.Eventually(t, 30*time.Second, func() bool { return f.rb.Status().Sessions > before }, "a new session")
	s := f.rb.current.Load()
	until := s.freshUntil.Load()
	servertest.Eventually(t, 30*time.Second, func() bool { return s.freshUntil.Load() > until+int64(time.Second)/2 }, "ticks")
	if f.rb.current.Load() != s {
		t.Error("a second session began")
	}
}
