package tiered

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

const (
	staleTTL   = 10 * time.Second
	serveStale = time.Minute
)

// oneTag is plain, with one tag for all keys.
var oneTag = Keyspace[string]{Name: "plain", Key: plain.Key, Tag: func(string) string { return "t" }}

// A staleTest is a node whose cache holds k@0, expired, while the source, which
// is at version 1, fails.
type staleTest struct {
	*testing.T
	server *fakeServer
	redis  *Redis
	src    *source
	cache  *Cache[string, string]
}

// expired runs test in a bubble. What o leaves out of TTL and ServeStale is set.
func expired(t *testing.T, name string, o Options, test func(st staleTest)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := staleTest{T: t, server: newFakeServer(), src: new(source)}
			st.redis = st.server.redis()
			o.TTL, o.ServeStale = orDefault(o.TTL, staleTTL), orDefault(o.ServeStale, serveStale)
			st.cache = newCacheOf(t, st.redis, oneTag, st.src, o)
			get(t, st.cache, "k", "k@0")
			time.Sleep(staleTTL)
			st.src.change()
			st.fail()
			test(st)
		})
	})
}

func (st staleTest) fail() {
	st.src.hook(func(context.Context, string) error { return errSource }, nil)
}

// stale wants value, and a StaleError of that cause.
func stale(t *testing.T, c *Cache[string, string], value string, cause error) {
	t.Helper()
	v, err := c.Get(t.Context(), "k")
	if _, ok := errors.AsType[*StaleError](err); v != value || !ok || !errors.Is(err, cause) {
		t.Fatalf("Get = %q, %v, want %q, stale because of %v", v, err, value, cause)
	}
}

// fails wants no value, and an error that is no StaleError.
func fails(t *testing.T, c *Cache[string, string], cause error) {
	t.Helper()
	v, err := c.Get(t.Context(), "k")
	if _, ok := errors.AsType[*StaleError](err); v != "" || ok || !errors.Is(err, cause) {
		t.Fatalf("Get = %q, %v, want no value and %v", v, err, cause)
	}
}

func TestServeStale(t *testing.T) {
	t.Parallel()
	expired(t, "when the load fails, until it does not", Options{}, func(st staleTest) {
		for range 3 {
			ctx, trace := WithTrace(st.Context())
			v, err := st.cache.Get(ctx, "k")
			s, ok := errors.AsType[*StaleError](err)
			if v != "k@0" || !ok || s.Age != staleTTL || !errors.Is(err, errSource) || trace.Source() != SourceStale {
				st.Errorf("Get = %q, %v from %v, want k@0, %v old", v, err, trace.Source(), staleTTL)
			}
		}
		if n := st.cache.Stats(); n.Stale != 3 || n.Gets != 4 || n.Loads != 3 || n.Damped != 1 {
			st.Errorf("counted %+v", n)
		}
		st.src.hook(nil, nil)
		time.Sleep(minDamping)
		get(st.T, st.cache, "k", "k@1")
	})
	expired(t, "for as long as ServeStale says", Options{}, func(st staleTest) {
		time.Sleep(serveStale - staleTTL - time.Millisecond)
		stale(st.T, st.cache, "k@0", errSource)
		time.Sleep(time.Millisecond)
		fails(st.T, st.cache, errSource)
	})
	expired(t, "when the loader hangs", Options{LoadTimeout: time.Second}, func(st staleTest) {
		st.src.hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		stale(st.T, st.cache, "k@0", context.DeadlineExceeded)
	})
	expired(t, "when the loader panics", Options{}, func(st staleTest) {
		st.src.hook(func(context.Context, string) error { panic(errSource) }, nil)
		stale(st.T, st.cache, "k@0", errSource)
	})
	expired(t, "not when the source has no such key any more", Options{}, func(st staleTest) {
		st.src.hook(func(context.Context, string) error { return ErrNotFound }, nil)
		fails(st.T, st.cache, ErrNotFound)
		time.Sleep(defaultAbsentTTL)
		st.fail()
		fails(st.T, st.cache, errSource) // nor is absence served stale
	})
	expired(t, "not to a caller who has left", Options{}, func(st staleTest) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return errSource }, nil)
		ctx, cancel := context.WithTimeout(st.Context(), time.Second)
		defer cancel()
		if v, err := st.cache.Get(ctx, "k"); v != "" || !errors.Is(err, context.DeadlineExceeded) {
			st.Errorf("Get = %q, %v, want the caller's own error", v, err)
		}
		close(hold)
	})
	expired(t, "not after Close", Options{}, func(st staleTest) {
		st.cache.Close()
		fails(st.T, st.cache, ErrClosed)
	})
	expired(t, "not by GetWithin, which leaves it for others", Options{}, func(st staleTest) {
		for _, bound := range []time.Duration{0, time.Millisecond} {
			if v, err := st.cache.GetWithin(st.Context(), "k", bound); v != "" || !errors.Is(err, errSource) {
				st.Errorf("GetWithin(%v) = %q, %v, want the loader's error alone", bound, v, err)
			}
			stale(st.T, st.cache, "k@0", errSource)
		}
		if v, err := st.cache.GetWithin(st.Context(), "k", time.Second); v != "k@0" || !errors.Is(err, errSource) {
			st.Errorf("GetWithin(MaxStale) = %q, %v, want what Get returns", v, err)
		}
	})
	expired(t, "with the error of an overload", Options{MaxLoads: 1, MaxQueuedLoads: 1}, func(st staleTest) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		for _, key := range []string{"loading", "queued"} {
			go func() { _, _ = st.cache.Get(context.Background(), key) }()
			synctest.Wait()
		}
		stale(st.T, st.cache, "k@0", ErrOverloaded)
		close(hold)
	})
	t.Run("switched off, a failed load gives no value", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			c := newCache(t, newFakeServer().redis(), src, Options{TTL: staleTTL})
			get(t, c, "k", "k@0")
			time.Sleep(staleTTL)
			src.hook(func(context.Context, string) error { return errSource }, nil)
			fails(t, c, errSource)
		})
	})
}

// TestNotStale: what anything but the TTL has ended is not served stale.
func TestNotStale(t *testing.T) {
	t.Parallel()
	invalidations := map[string]func(st staleTest, other *Redis) error{
		"by this node":      func(st staleTest, _ *Redis) error { return st.cache.Invalidate(context.Background(), "k") },
		"by its tag":        func(st staleTest, _ *Redis) error { return st.redis.Invalidate(context.Background(), Tagged("t")) },
		"by another node":   func(st staleTest, o *Redis) error { return o.Invalidate(context.Background(), st.cache.Target("k")) },
		"by its tag, there": func(_ staleTest, o *Redis) error { return o.Invalidate(context.Background(), Tagged("t")) },
	}
	for name, invalidate := range invalidations {
		expired(t, "invalidated "+name, Options{}, func(st staleTest) {
			stale(st.T, st.cache, "k@0", errSource) // it has been through a flight
			if err := invalidate(st, st.server.redis()); err != nil {
				st.Fatal(err)
			}
			fails(st.T, st.cache, errSource)
		})
		expired(t, "invalidated while the load runs "+name, Options{}, func(st staleTest) {
			other := st.server.redis()
			st.src.hook(func(context.Context, string) error { return errors.Join(invalidate(st, other), errSource) }, nil)
			fails(st.T, st.cache, errSource)
			fails(st.T, st.cache, errSource)
		})
	}
	t.Run("changed by another program before the TTL ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server, src := newFakeServer(), new(source)
			c := newCache(t, server.redis(), src, Options{TTL: staleTTL, ServeStale: serveStale})
			get(t, c, "k", "k@0")
			time.Sleep(staleTTL - 2*time.Second)
			server.mu.Lock()
			server.changeLocked("k", nil, 0)
			server.mu.Unlock()
			time.Sleep(2 * time.Second)
			src.hook(func(context.Context, string) error { return errSource }, nil)
			fails(t, c, errSource)
		})
	})
	expired(t, "of a former session", Options{}, func(st staleTest) {
		setRemote(st.redis, st.redis.current.Load().remote, forever)
		fails(st.T, st.cache, errSource)
	})
	expired(t, "of a session that ends while the load runs", Options{}, func(st staleTest) {
		st.src.hook(func(context.Context, string) error {
			setRemote(st.redis, st.redis.current.Load().remote, forever)
			return errSource
		}, nil)
		fails(st.T, st.cache, errSource)
		st.fail()
		fails(st.T, st.cache, errSource) // nor when a flight of this session has met it
	})
	expired(t, "without the freshness lease", Options{}, func(st staleTest) {
		st.redis.current.Load().renew(1)
		fails(st.T, st.cache, errSource)
	})
	t.Run("loaded without Redis", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, src := newFakeServer().redis(), new(source)
			c := newCache(t, r, src, Options{TTL: staleTTL, ServeStale: serveStale})
			rem := r.current.Load().remote
			setRemote(r, nil, r.opts.MaxStale)
			get(t, c, "k", "k@0")
			time.Sleep(r.opts.MaxStale)
			src.hook(func(context.Context, string) error { return errSource }, nil)
			fails(t, c, errSource)
			setRemote(r, rem, forever)
			fails(t, c, errSource)
		})
	})
	t.Run("of unknown age, by another program", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server, src := newFakeServer(), new(source)
			c := newCache(t, server.redis(), src, Options{TTL: staleTTL, ServeStale: serveStale, PlainJSON: true})
			server.mu.Lock()
			server.changeLocked("k", []byte(`"theirs"`), staleTTL)
			server.mu.Unlock()
			get(t, c, "k", "theirs")
			time.Sleep(staleTTL)
			src.hook(func(context.Context, string) error { return errSource }, nil)
			fails(t, c, errSource)
		})
	})
}

// TestFormerAddedLate: an entry that was carried as a former, and is put into
// the local tier only when a newer one has taken its place.
func TestFormerAddedLate(t *testing.T) {
	t.Parallel()
	l, tk, s := newLocal[string, int](10, EvictTwoQueue), newTickets[string, int](), freshSession()
	tk.clock = newClock()
	late := tk.open(place{key: "k"}, s)
	late.staleUntil = endless
	tk.commit(late, 1) // its time is over
	newer := tk.open(place{key: "k"}, s)
	if newer.former != late {
		t.Fatal("the former is not carried")
	}
	tk.commit(newer, endless)
	l.add("k", newer)
	l.add("k", late)
	if e := here(l, "k", s, 1); e != newer {
		t.Error("the newer entry is hidden")
	}

	late = tk.open(place{key: "k"}, s)
	late.staleUntil = endless
	tk.commit(late, 1)
	tk.open(place{key: "k"}, s)
	tk.void("k") // the ticket, and what it carries
	newer = tk.open(place{key: "k"}, s)
	tk.commit(newer, endless)
	l.add("k", newer)
	l.add("k", late)
	if e := here(l, "k", s, 1); e != newer {
		t.Error("the newer entry is hidden by one that was invalidated")
	}
}

// TestEndsBeforeItsKey: the entry must be over when Redis pushes the end of the
// key's time.
func TestEndsBeforeItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, src := newFakeServer(), new(source)
		r := server.redis()
		o := Options{TTL: staleTTL, ServeStale: serveStale}
		a, b := newCache(t, r, src, o), newCache(t, server.redis(), src, o)
		get(t, a, "k", "k@0")
		time.Sleep(staleTTL / 2)
		get(t, b, "k", "k@0")
		key := time.Until(server.values["k"].expires)
		for name, c := range map[string]*Cache[string, string]{"loaded": a, "read from Redis": b} {
			s, now := c.redis.current.Load(), c.redis.clock.now()
			entry := time.Duration(here(c.local, "k", s, now).expires.Load() - now)
			if ahead := key - entry; ahead < time.Millisecond || ahead > 20*time.Millisecond {
				t.Errorf("%s: the entry ends %v before its key, want some milliseconds", name, ahead)
			}
		}
	})
}

// TestStaleWithoutTracking: what another program does to a plain value is not
// heard of.
func TestStaleWithoutTracking(t *testing.T) {
	t.Parallel()
	prefix, src := newPrefix(t), new(source)
	r := dial(t, RedisOptions{Prefix: prefix, URL: servertest.RedisURL(t) + "?protocol=2", MaxStale: 200 * time.Millisecond})
	c := newCache(t, r, src, Options{TTL: time.Hour, ServeStale: 2 * time.Hour, PlainJSON: true})
	get(t, c, "k", "k@0")
	src.hook(func(context.Context, string) error { return errSource }, nil)
	l := r.current.Load().remote.(*link)
	if err := l.client.Do(t.Context(), l.client.B().Del().Key(prefix+"k").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, 30*time.Second, func() bool {
		v, err := c.Get(t.Context(), "k")
		return v == "" && errors.Is(err, errSource)
	}, "the value to end")
}

// TestStaleInTheFleet: the leases that other nodes take and give up, while all
// of them fail to load, are pushed to each; none of that is about the value.
func TestStaleInTheFleet(t *testing.T) {
	t.Parallel()
	expired(t, "two nodes", Options{}, func(st staleTest) {
		src := new(source)
		other := newCacheOf(st.T, st.server.redis(), oneTag, src, Options{TTL: staleTTL, ServeStale: serveStale})
		src.hook(nil, nil)
		get(st.T, other, "k", "k@0")
		time.Sleep(staleTTL)
		src.hook(func(context.Context, string) error { return errSource }, nil)
		fails := 0
		for range 5 {
			stale(st.T, other, "k@0", errSource)
			if _, err := st.cache.Get(st.Context(), "k"); err != nil {
				fails++
			}
			stale(st.T, other, "k@0", errSource)
			time.Sleep(maxDamping)
		}
		if fails != 5 {
			st.Errorf("the other node failed %d times, want 5", fails)
		}
	})
	// The load of one node holds up the other, then fails.
	expired(t, "one waits for the other", Options{WaitForFill: time.Minute}, func(st staleTest) {
		began, hold := make(chan struct{}, 8), make(chan struct{})
		src := new(source)
		src.hook(func(context.Context, string) error { began <- struct{}{}; <-hold; return errSource }, nil)
		other := newCacheOf(st.T, st.server.redis(), oneTag, src, Options{TTL: staleTTL})
		go func() { _, _ = other.Get(context.Background(), "k") }()
		<-began
		go func() {
			synctest.Wait()
			close(hold)
		}()
		stale(st.T, st.cache, "k@0", errSource)
		if st.cache.Stats().Waits == 0 {
			st.Error("it did not wait")
		}
		stale(st.T, st.cache, "k@0", errSource)
	})
}

// TestStaleIsBounded: what may be served stale has its place in the LRU and no
// other.
func TestStaleIsBounded(t *testing.T) {
	t.Parallel()
	expired(t, "evicted before it is asked for", Options{LocalEntries: 1}, func(st staleTest) {
		st.src.hook(nil, nil)
		get(st.T, st.cache, "other", "other@1")
		st.fail()
		fails(st.T, st.cache, errSource)
	})
	expired(t, "evicted while its load runs", Options{LocalEntries: 1}, func(st staleTest) {
		st.src.hook(func(ctx context.Context, key string) error {
			if key != "k" {
				return nil
			}
			if _, err := st.cache.Get(context.WithoutCancel(ctx), "other"); err != nil {
				st.Error(err)
			}
			return errSource
		}, nil)
		fails(st.T, st.cache, errSource)
		if n := st.cache.tickets.len(); n != 1 {
			st.Errorf("%d entries known, want the one in the local tier", n)
		}
	})
	expired(t, "replaced by a newer value", Options{}, func(st staleTest) {
		st.src.hook(nil, nil)
		get(st.T, st.cache, "k", "k@1")
		time.Sleep(staleTTL)
		st.fail()
		stale(st.T, st.cache, "k@1", errSource)
	})
}

// TestStaleAfterExpiryPush: on the real server, where the end of a key's time
// is pushed like any change.
func TestStaleAfterExpiryPush(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name  string
		plain bool
		keys  Keyspace[string]
	}{{"framed", false, plain}, {"plain JSON", true, plain}, {"tag", false, oneTag}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			prefix, src := newPrefix(t), new(source)
			r := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Minute})
			o := Options{TTL: 500 * time.Millisecond, ServeStale: time.Hour, PlainJSON: mode.plain}
			c := newCacheOf(t, r, mode.keys, src, o)
			told := newRecorder()
			if err := r.enroll("recorder", told); err != nil {
				t.Fatal(err)
			}
			get(t, c, "k", "k@0")
			src.change()
			src.hook(func(context.Context, string) error { return errSource }, nil)
			filled, _ := told.count(prefix + "k")
			servertest.Eventually(t, 30*time.Second, func() bool {
				pushes, _ := told.count(prefix + "k")
				return pushes > filled
			}, "push of the expiry")
			for range 3 {
				stale(t, c, "k@0", errSource)
			}
			other := dial(t, RedisOptions{Prefix: prefix})
			if err := other.Invalidate(t.Context(), c.Target("k")); err != nil {
				t.Fatal(err)
			}
			servertest.Eventually(t, 30*time.Second, func() bool {
				v, err := c.Get(t.Context(), "k")
				return v == "" && errors.Is(err, errSource)
			}, "the invalidation to end the stale value")
		})
	}
}
