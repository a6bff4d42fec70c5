package tiered

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

func TestTick(t *testing.T) {
	t.Parallel()
	sent := string(binary.BigEndian.AppendUint64(nil, 12345))
	got, err := decodeTick(sent + "17 server:life one")
	if want := (tick{12345, 17, "server:life one"}); err != nil || got != want {
		t.Errorf("decodeTick = %+v, %v, want %+v", got, err, want)
	}
	early := string(binary.BigEndian.AppendUint64(nil, 1<<63))
	for _, m := range []string{"", "hello", sent, sent + "17", sent + " life", sent + "-1 life", sent + "x life", early + "1 life"} {
		if got, err := decodeTick(m); err == nil {
			t.Errorf("decodeTick(%q) = %+v, want an error", m, got)
		}
	}
}

func FuzzTickDecode(f *testing.F) {
	f.Add("\x00\x00\x00\x00\x00\x00\x00\x0117 life")
	f.Fuzz(func(t *testing.T, m string) {
		got, err := decodeTick(m)
		if err == nil && got.sent <= 0 {
			t.Errorf("decodeTick(%q) = %+v", m, got)
		}
	})
}

// A wire is a network between a node and its server that can be led to another
// server.
type wire struct {
	url string

	mu   sync.Mutex
	addr string
	ctx  context.Context // of the connections to addr
	cut  context.CancelFunc
}

func newWire(t *testing.T, addr string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "redis://" + ln.Addr().String(), cut: func() {}}
	var work sync.WaitGroup
	w.lead(addr)
	work.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			addr, ctx := w.addr, w.ctx
			w.mu.Unlock()
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			work.Go(func() {
				<-ctx.Done()
				near.Close()
				far.Close()
			})
			work.Go(func() { _, _ = io.Copy(far, near); far.Close() })
			work.Go(func() { _, _ = io.Copy(near, far); near.Close() })
		}
	})
	t.Cleanup(func() {
		w.mu.Lock()
		w.cut()
		w.mu.Unlock()
		ln.Close()
		work.Wait()
	})
	return w
}

// lead cuts the connections; those made from now on are to addr.
func (w *wire) lead(addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut()
	w.addr = addr
	w.ctx, w.cut = context.WithCancel(context.Background())
}

// A node that hears nothing, on a connection that stands, serves what it holds
// for MaxStale and no longer, and what it loads meanwhile just as long.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	const maxStale = 400 * time.Millisecond
	srv := servertest.Redis(t)
	p, url, err := proxy.InFront(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	src := new(source)
	writer := newCache(t, dial(t, RedisOptions{URL: srv.URL()}), src, Options{})
	r := dial(t, RedisOptions{URL: url, MaxStale: maxStale, Timeout: 20 * time.Millisecond})
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	p.Freeze(proxy.FromServer)
	src.change()
	if err := writer.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	acknowledged := time.Now()
	old, s := 0, r.current.Load()
	for {
		began := time.Now()
		v, err := c.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		if v == "k@1" {
			break
		}
		old++
		if late := began.Sub(acknowledged); late > maxStale {
			t.Fatalf("%q was served to a read that began %v after the invalidation was acknowledged, want at most %v", v, late, maxStale)
		}
	}
	if old == 0 || r.current.Load() != s {
		t.Errorf("%d reads got the old value under the same session: the lease was not tested", old)
	}
	loads := src.loads.Load()
	for range 100 {
		get(t, c, "k", "k@1")
	}
	if n := src.loads.Load() - loads; n > 2 { // one would do; a slow machine may take longer than MaxStale
		t.Errorf("%d loads for 100 reads of one key within MaxStale", n)
	}
	p.Thaw(proxy.FromServer)
	servertest.Eventually(t, 30*time.Second, func() bool {
		_, err := c.Get(t.Context(), "k")
		s := r.current.Load()
		return err == nil && s.remote != nil && s.fresh(r.clock.now())
	}, "the lease to be renewed")
}

// A caller does not join a flight that may be older than MaxStale when the
// node does not know what happened meanwhile.
func TestFlightInSilence(t *testing.T) {
	t.Parallel()
	server, src := newFakeServer(), new(source)
	r := server.redis()
	c := newCache(t, r, src, Options{})
	loading, proceed := make(chan struct{}), make(chan struct{})
	src.hook(nil, func(string) { loading <- struct{}{}; <-proceed })
	first := make(chan string, 1)
	go func() {
		v, _ := c.Get(context.Background(), "k")
		first <- v
	}()
	<-loading
	src.hook(nil, nil)
	src.change()
	r.current.Load().renew(0) // the heartbeat stays away
	get(t, c, "other", "other@1")
	silent := time.Now()
	servertest.Eventually(t, 30*time.Second, func() bool { return time.Since(silent) > r.opts.MaxStale }, "MaxStale to pass")
	answer := make(chan string, 1)
	go func() {
		v, _ := c.Get(context.Background(), "k")
		answer <- v
	}()
	// It waits for the fill of the lease that the first flight has, in a flight
	// of its own.
	servertest.Eventually(t, 30*time.Second, func() bool { return c.Stats().Flights == 3 }, "a flight of its own")
	close(proceed)
	if v := <-first; v != "k@0" {
		t.Errorf("the first caller = %q, want k@0", v)
	}
	<-answer
}

// A purge that is lost on its way is noticed by the number of the next, or of
// the next tick, and nothing that this node holds is served for longer than
// MaxStale after it.
func TestLostPurge(t *testing.T) {
	t.Parallel()
	const maxStale = time.Second
	for _, next := range []string{"purge", "tick"} {
		t.Run("noticed by the next "+next, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, maxStale)
			get(t, f.b, "k", "k@0")
			before := f.rb.current.Load()
			// As if Redis had sent a purge that did not arrive.
			f.src.change()
			f.cli(t, "HINCRBY", f.rb.stateKey(), "purges", "1")
			acknowledged := time.Now()
			if next == "purge" {
				if err := f.a.Invalidate(t.Context(), "another"); err != nil {
					t.Fatal(err)
				}
			}
			anotherSession(t, f.rb, before)
			if f.rb.current.Load().remote != before.remote {
				t.Error("the connection was given up")
			}
			for {
				began, hits := time.Now(), f.b.Stats().LocalHits
				get(t, f.b, "k", "k@0") // from Redis, when not from here: nobody deleted it there
				if f.b.Stats().LocalHits == hits {
					break
				}
				if late := began.Sub(acknowledged); late > maxStale {
					t.Fatalf("an entry of the old session was served %v after the purge was lost", late)
				}
			}
		})
	}
}

// Purges that arrive keep the session, however many and from whomever.
func TestPurgesKeepTheSession(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	sa, sb := f.ra.current.Load(), f.rb.current.Load()
	var work sync.WaitGroup
	for _, c := range []*Cache[string, string]{f.a, f.b} {
		for i := range 8 {
			work.Go(func() {
				for j := range 50 {
					if err := c.Invalidate(t.Context(), fmt.Sprint(i, j)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	work.Wait()
	la, lb := f.ra.current.Load().freshUntil.Load(), f.rb.current.Load().freshUntil.Load()
	servertest.Eventually(t, 30*time.Second, func() bool {
		return f.ra.current.Load().freshUntil.Load() > la && f.rb.current.Load().freshUntil.Load() > lb
	}, "ticks after that")
	if f.ra.current.Load() != sa || f.rb.current.Load() != sb {
		t.Error("a new session began, although nothing was lost")
	}
}

// The state may be lost to eviction: the life goes on.
func TestLostState(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	life := f.ra.current.Load().life
	f.cli(t, "DEL", f.ra.stateKey())
	servertest.Eventually(t, 30*time.Second, func() bool {
		life, err := f.server.CLI("HGET", f.ra.stateKey(), "life")
		return err == nil && strings.Contains(life, ":")
	}, "the life to be written again")
	another := dial(t, RedisOptions{URL: f.server.URL()})
	if got := another.current.Load().life; got != life {
		t.Errorf("the life has changed from %x to %x", life, got)
	}
}

// A server that takes no writes could not be told of changes. It is not used,
// not even by nodes that only read, until it takes them again.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 300*time.Millisecond)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0")
	f.cli(t, "REPLICAOF", "127.0.0.1", "1")
	f.change(t) // kept, by now
	get(t, f.a, "k", "k@1")
	sees(t, f.b, "k", "k@1")
	servertest.Eventually(t, 30*time.Second, func() bool {
		st := f.rb.Status()
		return !st.Connected && st.Err != nil && strings.Contains(st.Err.Error(), "READONLY")
	}, "the node to give it up, and to say why")
	f.cli(t, "REPLICAOF", "NO", "ONE")
	connected(t, f.ra)
	connected(t, f.rb)
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.Status().Pending == 0 }, "delivery")
}

// A server that was replaced by another and put back, without a restart, may
// hold what was deleted on the other. A node that was there begins a new life
// on it, and the others follow.
func TestFailback(t *testing.T) {
	t.Parallel()
	server, standIn := servertest.Redis(t), servertest.Redis(t)
	w := newWire(t, server.Addr())
	src := new(source)
	traveller, resident := dial(t, RedisOptions{URL: w.url}), dial(t, RedisOptions{URL: server.URL()})
	a, b := newCache(t, traveller, src, Options{}), newCache(t, resident, src, Options{})
	get(t, b, "k", "k@0")
	first := traveller.current.Load().life
	move := func(addr string) {
		t.Helper()
		before := traveller.current.Load().remote
		w.lead(addr)
		servertest.Eventually(t, 30*time.Second, func() bool {
			s := traveller.current.Load()
			return s.remote != nil && s.remote != before
		}, "the node to be connected again")
	}
	move(standIn.Addr())
	src.change()
	if err := a.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	move(server.Addr())
	get(t, a, "k", "k@1")
	sees(t, b, "k", "k@1")
	servertest.Eventually(t, 30*time.Second, func() bool {
		got := resident.current.Load().life
		return got != first && got == traveller.current.Load().life
	}, "a new life that all share")
}

// A tighter bound than MaxStale.
func TestGetWithin(t *testing.T) {
	t.Parallel()
	for _, plainJSON := range []bool{false, true} {
		t.Run(fmt.Sprintf("PlainJSON=%v", plainJSON), func(t *testing.T) {
			t.Parallel()
			prefix, src := newPrefix(t), new(source)
			o := Options{PlainJSON: plainJSON}
			ra := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Hour})
			a, b := newCache(t, ra, src, o), newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
			get(t, a, "k", "k@0")
			get(t, b, "k", "k@0")
			within := func(c *Cache[string, string], bound time.Duration, want string) {
				t.Helper()
				if got, err := c.GetWithin(t.Context(), "k", bound); got != want || err != nil {
					t.Errorf("GetWithin(%v) = %q, %v, want %q", bound, got, err, want)
				}
			}
			hits := a.Stats().LocalHits
			within(a, 2*time.Hour, "k@0")
			within(a, time.Hour-time.Nanosecond, "k@0")
			if n := a.Stats().LocalHits - hits; n != 2 {
				t.Errorf("%d local hits within bounds that the lease proves, want 2", n)
			}
			// The tick that the lease is from was sent some time ago.
			within(a, time.Nanosecond, "k@0")
			if st := a.Stats(); st.LocalHits != hits+2 || st.RedisHits != 1 {
				t.Errorf("a bound that the lease does not prove: %+v, want a look at Redis", st)
			}
			src.change() // and nobody says so
			within(a, time.Nanosecond, "k@0")
			within(a, 0, "k@1")
			get(t, a, "k", "k@1")
			sees(t, b, "k", "k@1")
			if n := src.loads.Load(); n != 2 {
				t.Errorf("%d loads, want 2: the second refreshed both tiers for all", n)
			}
			within(a, -1, "k@1")
		})
	}
}

// A bound of zero is not answered by a load that began before, whoever's.
func TestGetWithinZeroJoinsNobody(t *testing.T) {
	t.Parallel()
	prefix, src := newPrefix(t), new(source)
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	for _, c := range []*Cache[string, string]{a, b} {
		loading, proceed := make(chan struct{}), make(chan struct{})
		src.hook(nil, func(string) { loading <- struct{}{}; <-proceed })
		first := make(chan string, 1)
		go func() {
			v, _ := c.GetWithin(context.Background(), "k", 0)
			first <- v
		}()
		<-loading
		src.hook(nil, nil)
		old := src.version.Add(1) - 1
		if v, err := a.GetWithin(t.Context(), "k", 0); v != fmt.Sprintf("k@%d", old+1) || err != nil {
			t.Errorf("GetWithin(0) = %q, %v, want what is true now", v, err)
		}
		close(proceed)
		<-first
		get(t, a, "k", fmt.Sprintf("k@%d", old+1))
		get(t, b, "k", fmt.Sprintf("k@%d", old+1))
	}
}
