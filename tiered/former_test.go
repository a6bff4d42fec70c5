package tiered

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

// TestTagWhileTicketChanges: a ticket that takes the place of an entry, or
// gives it back, may carry what can be served stale. An invalidation of the tag
// must find it at every moment, so the key never leaves the index: that is not
// even touched.
func TestTagWhileTicketChanges(t *testing.T) {
	t.Parallel()
	tk := newTickets[string, string]()
	tk.clock = newClock()
	s := newSession(forever)
	at := place{key: "k", tag: "t"}
	old := tk.open(at, s)
	old.staleUntil = endless
	tk.commit(old, 1)

	sh := tk.tags.shard("t")
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"open", func() { tk.open(at, s) }},
		{"release", func() { tk.release(tk.open(at, s)) }},
	} {
		sh.mu.Lock()
		done := make(chan struct{})
		go func() {
			defer close(done)
			step.do()
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Errorf("%s waits for the index of tags", step.name)
		}
		sh.mu.Unlock()
		<-done
		if e, _ := tk.stale("k", s); e != old {
			t.Fatalf("after %s: %v may be served stale, want the entry", step.name, e)
		}
	}
	for _, key := range tk.tags.invalidate("t") {
		tk.void(key)
	}
	if e, _ := tk.stale("k", s); e != nil {
		t.Error("an invalidated entry may be served stale")
	}
}

// TestFormerStillLive: an entry that had time left when another program deleted
// its key does not come back when the load after that fails.
func TestFormerStillLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, src := newFakeServer(), new(source)
		c := newCacheOf(t, server.redis(), plain, src, Options{TTL: staleTTL, ServeStale: serveStale})
		get(t, c, "k", "k@0")
		src.hook(func(context.Context, string) error {
			src.change()
			server.mu.Lock()
			defer server.mu.Unlock()
			server.changeLocked(c.place("k").key, nil, 0)
			return errSource
		}, nil)
		if _, err := c.GetWithin(t.Context(), "k", 0); !errors.Is(err, errSource) {
			t.Errorf("GetWithin = %v, want the loader's error", err)
		}
		src.hook(nil, nil)
		get(t, c, "k", "k@1")
	})
}

// TestSuperseded: once the loader has answered, nothing older is served stale,
// whatever became of the answer.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, ErrNotFound} {
		expired(t, "answer "+errorText(answer), Options{}, func(st staleTest) {
			st.src.hook(func(context.Context, string) error {
				st.server.mu.Lock() // Redis evicts the lease, so the fill is refused
				defer st.server.mu.Unlock()
				st.server.changeLocked(st.cache.place("k").key, nil, 0)
				return answer
			}, nil)
			if _, err := st.cache.Get(st.Context(), "k"); !errors.Is(err, answer) {
				st.Errorf("Get = %v, want %v", err, answer)
			}
			st.fail()
			fails(st.T, st.cache, errSource)
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// inside returns a cache whose loader asks another one.
func inside(t *testing.T, r *Redis, inner *Cache[string, string]) *Cache[string, string] {
	t.Helper()
	c, err := New(r, Keyspace[string]{Name: "outer", Key: func(k string) string { return "outer:" + k }},
		LoaderFunc[string, string](inner.Get), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestNestedStale: the stale value of a cache that the loader asks is no answer,
// and its StaleError is not passed on: it would come without a value.
func TestNestedStale(t *testing.T) {
	t.Parallel()
	expired(t, "of a cache that the loader asks", Options{}, func(st staleTest) {
		fails(st.T, inside(st.T, st.redis, st.cache), errSource)
	})
}

// TestNestedOverload: ErrOverloaded is not remembered, whichever cache says so.
func TestNestedOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, src, hold := newFakeServer().redis(), new(source), make(chan struct{})
		src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		inner := newCache(t, r, src, Options{MaxLoads: 1, MaxQueuedLoads: 1})
		outer := inside(t, r, inner)
		for _, key := range []string{"a", "b"} {
			go func() { _, _ = inner.Get(context.Background(), key) }()
			synctest.Wait()
		}
		for range 3 {
			fails(t, outer, ErrOverloaded)
		}
		close(hold)
		synctest.Wait()
		get(t, outer, "k", "k@0")
	})
}

// TestFailedReloadKeepsTheValue: who asks for the value of this moment, and
// cannot have it, takes the one that is still good from nobody. One that is
// there replaces it on every node.
func TestFailedReloadKeepsTheValue(t *testing.T) {
	t.Parallel()
	prefix, src := newPrefix(t), new(source)
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	get(t, a, "k", "k@0")
	get(t, b, "k", "k@0")
	src.hook(func(context.Context, string) error { return errSource }, nil)
	if _, err := a.GetWithin(t.Context(), "k", 0); !errors.Is(err, errSource) {
		t.Errorf("GetWithin = %v, want the loader's error", err)
	}
	get(t, a, "k", "k@0")
	get(t, b, "k", "k@0")
	src.hook(nil, nil)
	src.change() // nobody invalidates it
	if v, err := a.GetWithin(t.Context(), "k", 0); v != "k@1" || err != nil {
		t.Errorf("GetWithin = %q, %v, want k@1", v, err)
	}
	loads := src.loads.Load()
	get(t, a, "k", "k@1")
	servertest.Eventually(t, 20*time.Second, func() bool {
		v, err := b.Get(t.Context(), "k")
		return v == "k@1" && err == nil
	}, "the other node to see the new value")
	if n := src.loads.Load(); n != loads {
		t.Errorf("%d loads after the reload, want none", n-loads)
	}
}
