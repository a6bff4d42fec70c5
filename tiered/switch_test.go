package tiered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// flip switches r, and waits for the connection if there is to be one.
func flip(t *testing.T, r *Redis, on bool) {
	t.Helper()
	if err := r.SetEnabled(on); err != nil {
		t.Fatalf("SetEnabled(%v) = %v", on, err)
	}
	if st := r.Status(); st.Enabled != on || !on && (st.Connected || st.Tracking) {
		t.Errorf("SetEnabled(%v): Status = %+v", on, st)
	}
	if on {
		connected(t, r)
	}
}

func TestSetEnabledErrors(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"": "URL is empty", "redis://u:s3cret@host/seven": "URL: want redis://"} {
		r, err := Dial(RedisOptions{URL: url, Disabled: true, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.SetEnabled(false); err != nil {
			t.Errorf("switching off what is off: %v", err)
		}
		err = r.SetEnabled(true)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("SetEnabled(true) = %v, want an error about %q and no secret", err, want)
		}
		if r.Status().Enabled {
			t.Error("switched on all the same")
		}
	}
	r := dial(t, RedisOptions{})
	before := r.Status().Sessions
	flip(t, r, true)
	if n := r.Status().Sessions; n != before {
		t.Error("switching on what is on began a session")
	}
	r.Close()
	for _, on := range []bool{true, false} {
		if err := r.SetEnabled(on); !errors.Is(err, ErrClosed) {
			t.Errorf("SetEnabled(%v) after Close = %v, want ErrClosed", on, err)
		}
	}
}

// Off, the connection is gone, nothing is kept, concurrent calls share a load,
// and what is invalidated waits in the journal until Redis is on again.
func TestSwitchOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0")
	flip(t, f.ra, false)
	if n := clients(t, f); n != 1 {
		t.Errorf("%d connections, want that of the other node", n)
	}
	loads, hits := f.src.loads.Load(), f.a.Stats().LocalHits
	for range 10 {
		get(t, f.a, "k", "k@0")
	}
	if n := f.src.loads.Load() - loads; n != 10 || f.a.Stats().LocalHits != hits {
		t.Errorf("10 calls made %d loads", n)
	}
	f.src.change()
	for range 2 {
		if err := f.a.Invalidate(t.Context(), "k"); !errors.Is(err, ErrPending) {
			t.Errorf("Invalidate = %v, want ErrPending", err)
		}
	}
	if n := f.ra.Status().Pending; n != 1 {
		t.Errorf("%d invalidations pending, want 1", n)
	}
	get(t, f.a, "k", "k@1")
	flip(t, f.ra, true)
	get(t, f.a, "k", "k@1")
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.Status().Pending == 0 }, "delivery")
	get(t, f.a, "k", "k@1")
	if st := f.ra.Status(); st.Err != nil {
		t.Errorf("Status.Err = %v: switching is no failure", st.Err)
	}
}

// clients counts the connections to f's server that subscribe.
func clients(t *testing.T, f *fleet) int {
	t.Helper()
	out, err := f.server.CLI("CLIENT", "LIST", "TYPE", "pubsub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(out, "id=")
}

// Calls for one key share a load with Redis off, too.
func TestSwitchOffShares(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	flip(t, f.ra, false)
	loading, proceed := make(chan struct{}), make(chan struct{})
	f.src.hook(nil, func(string) { close(loading); <-proceed })
	var work sync.WaitGroup
	call := func() {
		if v, err := f.a.Get(context.Background(), "k"); v != "k@0" || err != nil {
			t.Errorf("Get = %q, %v", v, err)
		}
	}
	work.Go(call)
	<-loading
	for range 7 {
		work.Go(call)
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return f.a.Stats().Gets == 8 }, "the calls")
	close(proceed)
	work.Wait()
	if n := f.src.loads.Load(); n > 2 { // a call may be counted, and not yet wait, when the load ends
		t.Errorf("%d loads for 8 calls at once", n)
	}
}

// Nothing from before the switch is served after it: neither what is in Redis,
// nor what this node loaded with Redis or without. The other nodes follow.
func TestSwitchLeavesThePast(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {PlainJSON: true}} {
		t.Run(fmt.Sprintf("PlainJSON=%v", o.PlainJSON), func(t *testing.T) {
			t.Parallel()
			srv, src := servertest.Redis(t), new(source)
			dialed := func(maxStale time.Duration) (*Redis, *Cache[string, string]) {
				r := dial(t, RedisOptions{URL: srv.URL(), MaxStale: maxStale})
				return r, newCache(t, r, src, o)
			}
			ra, a := dialed(time.Hour)
			rb, b := dialed(300 * time.Millisecond)
			get(t, a, "k", "k@0")
			get(t, b, "k", "k@0")
			life := ra.current.Load().life
			src.change() // and nobody says so
			flip(t, ra, false)
			get(t, a, "k", "k@1")
			flip(t, ra, true)
			get(t, a, "k", "k@1")
			sees(t, b, "k", "k@1")
			servertest.Eventually(t, 30*time.Second, func() bool {
				got := rb.current.Load().life
				return got != life && got == ra.current.Load().life
			}, "a new life that all share")
		})
	}
	t.Run("loaded without Redis", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, time.Hour)
		f.server.Kill()
		servertest.Eventually(t, 30*time.Second, func() bool { return !f.ra.Status().Connected }, "loss")
		get(t, f.a, "k", "k@0")
		get(t, f.a, "other", "other@0")
		f.src.change()
		for _, on := range []bool{false, true} {
			if err := f.ra.SetEnabled(on); err != nil {
				t.Fatal(err)
			}
		}
		get(t, f.a, "k", "k@1")
		if err := f.server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		connected(t, f.ra)
		get(t, f.a, "other", "other@1")
	})
}

// Nodes that are all switched off and on begin one new life, not one each.
func TestSwitchedTogether(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.current.Load().life == f.rb.current.Load().life }, "one life")
	flip(t, f.ra, false)
	flip(t, f.rb, false)
	flip(t, f.ra, true)
	life := f.ra.current.Load().life
	flip(t, f.rb, true)
	if got := f.rb.current.Load().life; got != life {
		t.Error("the second node began another life")
	}
}

// What a node changed before Redis was switched on for the first time is in no
// journal; what Redis holds may be from before that.
func TestSwitchedOnLater(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {PlainJSON: true}} {
		t.Run(fmt.Sprintf("PlainJSON=%v", o.PlainJSON), func(t *testing.T) {
			t.Parallel()
			prefix, src := newPrefix(t), new(source)
			b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
			late, err := Dial(RedisOptions{
				URL: servertest.RedisURL(t), Prefix: prefix, Disabled: true, Timeout: 10 * time.Second, Logger: quiet,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { late.Close() })
			a := newCache(t, late, src, o)
			get(t, b, "k", "k@0")
			src.change()
			if err := a.Invalidate(t.Context(), "k"); err != nil || late.Status().Pending != 0 {
				t.Errorf("Invalidate with Redis off from the start = %v, want nil, and nothing kept", err)
			}
			flip(t, late, true)
			get(t, a, "k", "k@1")
		})
	}
}

// A flight that was under way when Redis was switched off leaves nothing.
func TestSwitchDuringLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	loading, proceed := make(chan struct{}), make(chan struct{})
	f.src.hook(nil, func(string) { close(loading); <-proceed })
	answer := make(chan string, 1)
	go func() {
		v, _ := f.a.Get(context.Background(), "k")
		answer <- v
	}()
	<-loading
	f.src.hook(nil, nil)
	f.src.change()
	flip(t, f.ra, false)
	get(t, f.a, "k", "k@1") // joins nobody from before
	flip(t, f.ra, true)
	close(proceed)
	if v := <-answer; v != "k@0" {
		t.Errorf("the first caller = %q, want k@0", v)
	}
	get(t, f.a, "k", "k@1")
}

// Whoever waits for Redis when it is switched off waits no longer.
func TestSwitchOffEndsWaits(t *testing.T) {
	t.Parallel()
	asked := func(t *testing.T, r *Redis, c *Cache[string, string], waits func() bool) {
		t.Helper()
		answer := make(chan error, 1)
		go func() {
			_, err := c.Get(context.Background(), "k")
			answer <- err
		}()
		servertest.Eventually(t, 30*time.Second, waits, "the call to wait")
		flip(t, r, false)
		select {
		case err := <-answer:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the call still waits")
		}
	}
	t.Run("for another node's fill", func(t *testing.T) {
		t.Parallel()
		prefix := newPrefix(t)
		stranger := dial(t, RedisOptions{Prefix: prefix}).current.Load()
		r := dial(t, RedisOptions{Prefix: prefix})
		c := newCache(t, r, new(source), Options{WaitForFill: time.Hour})
		lease := framer{life: stranger.life, fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), time.Hour))
		if _, err := stranger.remote.lease(t.Context(), place{key: prefix + "k"}, nil, lease, time.Hour); err != nil {
			t.Fatal(err)
		}
		asked(t, r, c, func() bool { return c.Stats().Waits == 1 })
	})
	t.Run("for room among the commands in flight", func(t *testing.T) {
		t.Parallel()
		r := dial(t, RedisOptions{Timeout: time.Hour})
		c := newCache(t, r, new(source), Options{})
		l := r.current.Load().remote.(*link)
		for range maxInFlight { // as if none of them were answered
			l.slots <- struct{}{}
		}
		asked(t, r, c, func() bool { return c.tickets.open4test() == 1 })
	})
	t.Run("for a reply", func(t *testing.T) {
		t.Parallel()
		srv := servertest.Redis(t)
		r := dial(t, RedisOptions{URL: srv.URL(), Timeout: time.Hour})
		c := newCache(t, r, new(source), Options{})
		l := r.current.Load().remote.(*link)
		srv.Pause()
		asked(t, r, c, func() bool { return len(l.reads.turn) == 1 && c.tickets.open4test() == 1 })
	})
}

// A server that takes a connection and says nothing does not hold up the
// switch, and nobody connects any more.
func TestSwitchOffWhileConnecting(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	r, err := Dial(RedisOptions{URL: "redis://" + ln.Addr().String() + "?dial_timeout=1h", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	began := time.Now()
	const rounds = 10 // off and on again: one connection at a time
	for range rounds {
		conn := <-accepted
		if _, err := conn.Read(make([]byte, 1)); err != nil { // it has said hello, and waits
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- r.SetEnabled(false) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("SetEnabled(false) waits for the server")
		}
		conn.Close()
		if err := r.SetEnabled(true); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > rounds*pingTimeout/2 { // else rueidis gives up after that
		t.Errorf("%d switches took %v", rounds, took)
	}
	(<-accepted).Close()
	if err := r.SetEnabled(false); err != nil {
		t.Fatal(err)
	}
	ln.Close()
	for conn := range accepted {
		conn.Close() // made before the last switch, if at all
	}
}

// A connection that is ready when Redis has just been switched off is not used.
func TestSwitchedOffWhileConnecting(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	l := r.current.Load().remote.(*link)
	flip(t, r, false)
	r.connected(l) // supervise was that far
	if st := r.Status(); r.current.Load().remote != nil || st.Connected {
		t.Errorf("the session is on a connection, Status = %+v", st)
	}
}

// What fails because Redis was switched off is no failure.
func TestSwitchOffIsNoFailure(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	flip(t, r, false)
	r.failed(errBroken, loadersAnswer) // a command that was in flight
	if err := r.Status().Err; err != nil {
		t.Errorf("Status.Err = %v", err)
	}
}

// A connection that is made when its link is given up already is closed.
func TestHungUpLine(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	var l line
	l.hangUp()
	l.add(near)
	if err := near.SetDeadline(time.Now()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("SetDeadline = %v, want a closed connection", err)
	}
}

// SetEnabled, Close and everything else may be called at the same time.
func TestSwitchConcurrently(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 300*time.Millisecond)
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for j := range 20 {
				if err := f.ra.SetEnabled((i+j)%2 == 0); err != nil {
					t.Error(err)
				}
				if v, err := f.a.Get(t.Context(), "k"); v != "k@0" || err != nil {
					t.Errorf("Get = %q, %v", v, err)
				}
				if err := f.a.Invalidate(t.Context(), "k"); err != nil && !errors.Is(err, ErrPending) {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	flip(t, f.ra, true)
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.Status().Pending == 0 }, "delivery")
	work.Go(func() {
		for j := range 100 {
			if err := f.ra.SetEnabled(j%2 == 0); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	})
	f.ra.Close()
	work.Wait()
}
