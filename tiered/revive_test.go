package tiered

import (
	"context"
	"strconv"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// through returns a node that reaches Redis through p.
func through(t *testing.T, o RedisOptions) (p *proxy.Proxy, r *Redis) {
	t.Helper()
	p, url, err := proxy.InFront(servertest.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	o.URL, o.Prefix = url, newPrefix(t)
	return p, dial(t, o)
}

// TestJournalNeedsNoRoom: supervise sends the journal, and supervise makes room
// among the commands. Were the journal to wait for room, a connection that is
// fine again would be given up.
func TestJournalNeedsNoRoom(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t), MaxStale: time.Hour})
	l := r.current.Load().remote.(*link)
	for range maxInFlight {
		l.slots <- struct{}{}
	}
	defer func() {
		for range maxInFlight {
			<-l.slots
		}
	}()
	r.record([]string{"k"})
	servertest.Eventually(t, 20*time.Second, func() bool { return r.Status().Pending == 0 }, "the journal to be sent")
	if lost := r.Status().Failures.Lost; lost != 0 {
		t.Errorf("%d connections were given up", lost)
	}
}

// TestReviveDuringSettle: a line that was late is used again as soon as it
// answers, however much of the journal is yet to be sent.
func TestReviveDuringSettle(t *testing.T) {
	t.Parallel()
	p, r := through(t, RedisOptions{Timeout: 5 * time.Second, MaxStale: time.Hour})
	p.Delay(proxy.FromServer, 50*time.Millisecond)
	keys := make([]string, 200*batchKeys)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	r.record(keys)
	servertest.Eventually(t, 20*time.Second, func() bool { return r.Status().Pending < len(keys) }, "the journal to be begun")
	r.current.Load().remote.(*link).overdue()
	servertest.Eventually(t, 20*time.Second, func() bool { return !r.Status().Late }, "the line to be used again")
	if r.Status().Pending == 0 {
		t.Error("the whole journal was sent before that")
	}
}

// TestWaitingReadIsNotLate: the read after a wait for another node has less than
// the whole timeout. That it was not answered by then does not make the line
// late for others.
func TestWaitingReadIsNotLate(t *testing.T) {
	t.Parallel()
	p, r := through(t, RedisOptions{Timeout: 900 * time.Millisecond, MaxStale: time.Hour})
	src := new(source)
	c := newCache(t, r, src, Options{WaitForFill: time.Hour, LoadTimeout: time.Hour})
	other := newCache(t, dial(t, RedisOptions{Prefix: r.opts.Prefix}), src, Options{LoadTimeout: time.Hour})
	hold, begun := make(chan struct{}), make(chan struct{})
	src.hook(func(context.Context, string) error { close(begun); <-hold; return nil }, nil)
	first := make(chan struct{})
	go func() {
		defer close(first)
		_, _ = other.Get(context.Background(), "k")
	}()
	<-begun
	src.hook(nil, nil)
	if err := c.Invalidate(t.Context(), "another"); err != nil { // from now on Redis has the script
		t.Fatal(err)
	}
	p.Delay(proxy.FromServer, 500*time.Millisecond) // below Timeout, above half of it
	get(t, c, "k", "k@0")
	if st := r.Status(); st.Late || st.Failures.Lost != 0 {
		t.Errorf("Status = %+v, want the line not to be late", st)
	}
	if err := c.Invalidate(t.Context(), "another"); err != nil {
		t.Errorf("Invalidate = %v", err)
	}
	close(hold)
	<-first
}

// TestOwnLeaseOutlivesTheSession: a session may end while the connection goes
// on. The fill lease of a load in progress is as good as before.
func TestOwnLeaseOutlivesTheSession(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	hold, begun := make(chan struct{}), make(chan struct{}, 2)
	f.src.hook(func(context.Context, string) error { begun <- struct{}{}; <-hold; return nil }, nil)
	answers := make(chan error, 2)
	ask := func() {
		go func() {
			_, err := f.a.Get(context.Background(), "k")
			answers <- err
		}()
	}
	ask()
	<-begun
	l, sessions := f.ra.current.Load().remote.(*link), f.ra.Status().Sessions
	f.cli(t, "PUBLISH", l.channel(), "no purge")
	servertest.Eventually(t, 20*time.Second, func() bool { return f.ra.Status().Sessions > sessions }, "a new session")
	ask()
	servertest.Eventually(t, 20*time.Second, func() bool { return f.a.Stats().Waits > 0 || len(begun) > 0 }, "the second flight to wait")
	close(hold)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("Get = %v", err)
		}
	}
	if n := f.src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}
