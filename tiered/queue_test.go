package tiered

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A crowd is a loader whose loads wait to be let go, and that counts them.
type crowd struct {
	*testing.T
	cache    *Cache[string, string]
	src      source
	now, top atomic.Int64
	hold     chan struct{}
	deaf     bool // it ignores its context
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	l := &crowd{T: t, hold: make(chan struct{})}
	l.src.hook(func(ctx context.Context, _ string) error {
		l.top.Store(max(l.top.Load(), l.now.Add(1)))
		defer l.now.Add(-1)
		done := ctx.Done()
		if l.deaf {
			done = nil
		}
		select {
		case <-l.hold:
			return nil
		case <-done:
			return ctx.Err()
		}
	}, nil)
	return l
}

// ask begins n calls of Get for different keys, one after another.
func ask(t *testing.T, c *Cache[string, string], prefix string, n int) chan error {
	t.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := c.Get(context.WithoutCancel(t.Context()), fmt.Sprint(prefix, i))
			errs <- err
		}()
		synctest.Wait()
	}
	return errs
}

// count returns how many of n answers are errors of that kind.
func count(errs chan error, n int, kind error) (some int) {
	for range n {
		if errors.Is(<-errs, kind) {
			some++
		}
	}
	return some
}

func TestMaxLoads(t *testing.T) {
	t.Parallel()
	modes := map[string]func(t *testing.T) *Redis{
		"with Redis":    func(*testing.T) *Redis { return newFakeServer().redis() },
		"without Redis": func(t *testing.T) *Redis { t.Helper(); return off(t) },
	}
	run := func(name string, o Options, test func(l *crowd)) {
		for mode, redis := range modes {
			t.Run(name+", "+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newCrowd(t)
					l.cache = newCache(t, redis(t), &l.src, o)
					test(l)
				})
			})
		}
	}
	o := Options{MaxLoads: 3, MaxQueuedLoads: 4}
	run("no more run, no more wait, and the rest is told at once", o, func(l *crowd) {
		began := time.Now()
		errs := ask(l.T, l.cache, "k", 3+4)
		if n := count(ask(l.T, l.cache, "more", 5), 5, ErrOverloaded); n != 5 || time.Since(began) != 0 {
			l.Errorf("%d of 5 are told of the overload within %v, want all at once", n, time.Since(began))
		}
		if n := l.src.loads.Load(); n != 3 {
			l.Errorf("%d loads run, want 3", n)
		}
		close(l.hold)
		if n := count(errs, 7, nil); n != 7 || l.top.Load() != 3 {
			l.Errorf("%d of 7 answered, %d loads at a time", n, l.top.Load())
		}
		if st := l.cache.Stats(); st.Overloaded != 5 || st.Loads != 7 || st.LoadErrors != 0 || st.Damped != 0 {
			l.Errorf("counted %+v", st)
		}
		get(l.T, l.cache, "more0", "more0@0") // an overload is not remembered
	})
	o = Options{MaxLoads: 1, MaxQueuedLoads: 2, LoadTimeout: time.Second}
	run("the wait in line ends with LoadTimeout", o, func(l *crowd) {
		l.deaf = true
		began := time.Now()
		errs := ask(l.T, l.cache, "k", 3)
		for range 3 {
			err := <-errs
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
				l.Errorf("Get = %v after %v, want DeadlineExceeded after 1s", err, took)
			}
		}
		if st := l.cache.Stats(); st.Overloaded != 2 || st.Loads != 1 {
			l.Errorf("counted %+v, want two that never began", st)
		}
		close(l.hold)
	})
	run("a load has its whole time, however long it waited in line", o, func(l *crowd) {
		began := time.Now()
		errs := ask(l.T, l.cache, "k", 1)
		time.Sleep(400 * time.Millisecond)
		second := ask(l.T, l.cache, "second", 1)
		count(errs, 1, nil) // timed out; the second load begins
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
			l.Errorf("Get = %v after %v, want DeadlineExceeded after 2s", err, time.Since(began))
		}
		if n := l.src.loads.Load(); n != 2 {
			l.Errorf("%d loads, want 2", n)
		}
	})
	run("a load that nobody waits for keeps its slot until the loader returns", o, func(l *crowd) {
		l.deaf = true
		errs := ask(l.T, l.cache, "k", 1)
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
			l.Fatalf("Get = %v, want DeadlineExceeded", err)
		}
		next := ask(l.T, l.cache, "next", 1)
		if n := l.src.loads.Load(); n != 1 {
			l.Errorf("%d loads while the first burdens the source, want 1", n)
		}
		close(l.hold)
		if err := <-next; err != nil {
			l.Errorf("Get = %v, want an answer once the loader has returned", err)
		}
	})
	run("Close ends the wait", o, func(l *crowd) {
		errs := ask(l.T, l.cache, "k", 3)
		l.cache.Close()
		if n := count(errs, 3, ErrClosed); n != 3 {
			l.Errorf("%d of 3 got ErrClosed", n)
		}
		if st := l.cache.Stats(); st.Overloaded != 0 {
			l.Errorf("counted %+v", st)
		}
	})
}

// TestQueueHoldsNoLease: a node whose loads wait in line keeps no other node
// from loading, and when its turn comes it takes what is in Redis by then.
func TestQueueHoldsNoLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, l := newFakeServer(), newCrowd(t)
		busy := newCache(t, server.redis(), &l.src, Options{MaxLoads: 1, WaitForFill: time.Second})
		errs := ask(t, busy, "busy", 1)
		queued := ask(t, busy, "k", 1) // for k0
		src := new(source)
		other := newCache(t, server.redis(), src, Options{})
		get(t, other, "k0", "k0@0")
		time.Sleep(2 * time.Second) // longer than one waits for another node's fill
		close(l.hold)
		if err := errors.Join(<-errs, <-queued); err != nil {
			t.Errorf("Get = %v", err)
		}
		if st := other.Stats(); st.Waits != 0 {
			t.Errorf("the other node waited: %+v", st)
		}
		if st := busy.Stats(); st.Loads != 1 || st.RedisHits != 1 {
			t.Errorf("want the second answer from Redis: %+v", st)
		}
	})
}

// TestQueueKeepsNoSlot: what a flight does not need for a load it gives back.
func TestQueueKeepsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, src := newFakeServer(), new(source)
		r := server.redis()
		c := newCache(t, r, src, Options{MaxLoads: 1, MaxQueuedLoads: 1, WaitForFill: time.Hour, LoadTimeout: time.Hour})
		// Another node places its lease between this one's read and its own.
		held, began, hold := new(source), make(chan struct{}), make(chan struct{})
		held.hook(func(context.Context, string) error { close(began); <-hold; return nil }, nil)
		other := newCache(t, server.redis(), held, Options{})
		g := new(gate)
		g.afterRead = func(string) {
			g.afterRead = nil
			go func() { _, _ = other.Get(context.Background(), "k") }()
			<-began
		}
		intercept(r, g)
		done := make(chan error, 1)
		go func() {
			_, err := c.Get(context.Background(), "k")
			done <- err
		}()
		synctest.Wait()
		if st := c.Stats(); st.Waits == 0 {
			t.Errorf("it does not wait for the other node: %+v", st)
		}
		get(t, c, "another key", "another key@0")
		close(hold)
		if err := <-done; err != nil {
			t.Errorf("Get = %v", err)
		}
	})
}

// TestCloseBeforeTheLoad: the flight has a slot, and does not come to load.
func TestCloseBeforeTheLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, src, g := newFakeServer().redis(), new(source), new(gate)
		c := newCache(t, r, src, Options{}) // whose clean-up counts the slots
		g.afterRead = func(string) {
			go c.Close()
			time.Sleep(time.Millisecond) // in the bubble: until it waits for this flight
		}
		intercept(r, g)
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) || src.loads.Load() != 0 {
			t.Errorf("Get = %v after %d loads, want ErrClosed and none", err, src.loads.Load())
		}
	})
}

// TestCachesThatAskEachOther: each load of one cache asks the other, with all
// the slots of both in use.
func TestCachesThatAskEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, src := newFakeServer().redis(), new(source)
		inner := newCache(t, r, src, Options{MaxLoads: 1})
		outer := newCacheOf(t, r, Keyspace[string]{Name: "outer", Key: func(k string) string { return "outer:" + k }},
			LoaderFunc[string, string](inner.Get), Options{MaxLoads: 1})
		if n := count(ask(t, outer, "k", 8), 8, nil); n != 8 {
			t.Errorf("%d of 8 answered", n)
		}
	})
}
