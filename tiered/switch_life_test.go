package tiered

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// TestNewLifeIsHeardAtOnce: nodes in two lives replace each other's values, so
// who begins a new one says so. (The next beats are minutes away.)
func TestNewLifeIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	a := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Hour})
	b := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Hour})
	old := a.current.Load().life
	flip(t, a, false)
	flip(t, a, true)
	servertest.Eventually(t, 20*time.Second, func() bool {
		sa, sb := a.current.Load(), b.current.Load()
		return sa.remote != nil && sb.remote != nil && sa.life == sb.life && sa.life != old
	}, "both nodes to be in the new life")
}

// TestPlainValuesAreBelievedAgain: after a flip, plain values from before it are
// not believed. Those from after it are, at once.
func TestPlainValuesAreBelievedAgain(t *testing.T) {
	t.Parallel()
	r, src := dial(t, RedisOptions{Prefix: newPrefix(t)}), new(source)
	c := newCache(t, r, src, Options{PlainJSON: true, TTL: time.Hour, LocalEntries: 1})
	round := func() int64 {
		before := src.loads.Load()
		for k := range 20 {
			key := strconv.Itoa(k)
			get(t, c, key, key+"@0")
		}
		return src.loads.Load() - before
	}
	round()
	flip(t, r, false)
	flip(t, r, true)
	if n := round(); n != 20 {
		t.Errorf("%d loads after the flip, want 20", n)
	}
	servertest.Eventually(t, 20*time.Second, func() bool { return round() == 0 }, "all values to be found in Redis")
}

// TestSwitchedOffWhileClaiming: a node begins a new life, and is switched off
// before it knows that. Others fill in that life. What they wrote is from before
// the switch, and not trusted after it.
func TestSwitchedOffWhileClaiming(t *testing.T) {
	t.Parallel()
	p, a := through(t, RedisOptions{MaxStale: time.Hour})
	src := new(source)
	ca := newCache(t, a, src, Options{})
	b := dial(t, RedisOptions{Prefix: a.opts.Prefix, MaxStale: time.Hour})
	cb := newCache(t, b, src, Options{})
	old := b.current.Load().life
	flip(t, a, false)
	p.Delay(proxy.FromServer, 240*time.Millisecond) // less than the dial timeout
	if err := a.SetEnabled(true); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, 20*time.Second, func() bool {
		s := b.current.Load()
		return s.remote != nil && s.life != old
	}, "the other node to be in a new life")
	p.Freeze(proxy.FromServer) // the first one is not told any more
	get(t, cb, "k", "k@0")
	if a.Status().Connected {
		t.Fatal("the node was connected before the answer was held up")
	}
	flip(t, a, false)
	src.change() // nobody says so
	p.Thaw(proxy.FromServer)
	p.Delay(proxy.FromServer, 0)
	flip(t, a, true)
	get(t, ca, "k", "k@1")
}

// TestFirstSwitchOn: from the moment at which plain values may be believed
// again, what is invalidated is recorded.
func TestFirstSwitchOn(t *testing.T) {
	t.Parallel()
	r, err := Dial(RedisOptions{URL: "redis://127.0.0.1:1", Disabled: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c := newCache(t, r, new(source), Options{PlainJSON: true})
	r.mu.Lock() // the session in which Redis is on cannot begin
	on := make(chan error, 1)
	go func() {
		r.power.mu.Lock()
		defer r.power.mu.Unlock()
		on <- r.switchOn()
	}()
	servertest.Eventually(t, 20*time.Second, func() bool { return r.power.doubt.Load() != 0 }, "the moment")
	told := make(chan error, 1)
	go func() { told <- c.Invalidate(context.Background(), "k") }()
	servertest.Eventually(t, 20*time.Second, func() bool { return r.journal.count.Load() == 1 || len(told) == 1 }, "the invalidation")
	r.mu.Unlock()
	if err := <-told; !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	if err := <-on; err != nil {
		t.Error(err)
	}
}

// TestNoConnectionIsLogged: after whatever failure before, and at a limited rate.
func TestNoConnectionIsLogged(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	r, err := Dial(RedisOptions{
		URL: "redis://127.0.0.1:1", Disabled: true,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	r.status.Enabled = true
	r.failed(context.DeadlineExceeded, loadersAnswer)
	r.status.Enabled = false
	if err := r.SetEnabled(true); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, 20*time.Second, func() bool { return r.Status().Failures.Dials > 4 }, "attempts")
	if n := strings.Count(log.String(), "no connection to Redis"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, log.String())
	}
}
