package tiered

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

const refreshAhead = 3 * time.Second

// aging runs test in a bubble, with a cache that holds k@0, near its end, while
// the source is at version 1. Calls, loads and so on are counted from there.
func aging(t *testing.T, name string, o Options, test func(st staleTest)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := staleTest{T: t, server: newFakeServer(), src: new(source)}
			st.redis = st.server.redis()
			o.TTL, o.RefreshAhead = staleTTL, refreshAhead
			st.cache = newCacheOf(t, st.redis, oneTag, st.src, o)
			get(t, st.cache, "k", "k@0")
			time.Sleep(staleTTL - refreshAhead + time.Millisecond)
			st.src.change()
			test(st)
		})
	})
}

func TestRefreshAhead(t *testing.T) {
	t.Parallel()
	aging(t, "readers have the old value until the new one is there", Options{}, func(st staleTest) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		for range 5 {
			get(st.T, st.cache, "k", "k@0")
			synctest.Wait()
		}
		st.loads(2)
		close(hold)
		synctest.Wait()
		get(st.T, st.cache, "k", "k@1")
		if n := st.cache.Stats(); n.Refreshes != 1 || n.Loads != 2 || n.RedisHits != 1 || n.Flights != 2 || n.LocalHits != 5 {
			st.Errorf("counted %+v", n)
		}
		time.Sleep(refreshAhead) // the old value would have ended
		get(st.T, st.cache, "k", "k@1")
		st.loads(2)
		time.Sleep(staleTTL - 2*refreshAhead)
		get(st.T, st.cache, "k", "k@1")
		synctest.Wait()
		st.loads(3) // and the new one is refreshed in its turn
	})
	aging(t, "a value that nobody asks for expires", Options{}, func(st staleTest) {
		time.Sleep(refreshAhead)
		st.loads(1)
		get(st.T, st.cache, "k", "k@1")
		if n := st.cache.Stats(); n.Refreshes != 0 {
			st.Errorf("counted %+v", n)
		}
	})
	aging(t, "not before its time", Options{}, func(st staleTest) {
		get(st.T, st.cache, "new", "new@1")
		time.Sleep(staleTTL - staleTTL/10 - refreshAhead - time.Millisecond)
		get(st.T, st.cache, "new", "new@1")
		synctest.Wait()
		st.loads(2)
	})
	aging(t, "a refresh that fails is not repeated, here or elsewhere", Options{}, func(st staleTest) {
		other := newCacheOf(st.T, st.server.redis(), oneTag, st.src, Options{TTL: staleTTL, RefreshAhead: refreshAhead})
		get(st.T, other, "k", "k@0")
		st.fail()
		for range 5 {
			get(st.T, st.cache, "k", "k@0")
			get(st.T, other, "k", "k@0")
			synctest.Wait()
			time.Sleep(refreshAhead / 10)
		}
		st.loads(2)
		st.src.hook(nil, nil)
		time.Sleep(refreshAhead)
		get(st.T, st.cache, "k", "k@1")
	})
	for name, target := range map[string]func(c *Cache[string, string]) Target{
		"the key": func(c *Cache[string, string]) Target { return c.Target("k") },
		"its tag": func(*Cache[string, string]) Target { return Tagged("t") },
	} {
		aging(t, "what is loaded before "+name+" is invalidated is not kept", Options{}, func(st staleTest) {
			other := st.server.redis()
			st.src.hook(nil, func(string) { // the old value is in hand
				st.src.hook(nil, nil)
				st.src.change()
				if err := other.Invalidate(context.Background(), target(st.cache)); err != nil {
					st.Error(err)
				}
			})
			get(st.T, st.cache, "k", "k@0")
			synctest.Wait()
			get(st.T, st.cache, "k", "k@2")
			get(st.T, newCacheOf(st.T, other, oneTag, st.src, Options{}), "k", "k@2")
			if n := st.cache.Stats(); n.Refused != 1 {
				st.Errorf("counted %+v", n)
			}
		})
	}
	aging(t, "not without a slot", Options{MaxLoads: 1}, func(st staleTest) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		errs := ask(st.T, st.cache, "busy", 1)
		get(st.T, st.cache, "k", "k@0")
		synctest.Wait()
		close(hold)
		if err := <-errs; err != nil {
			st.Error(err)
		}
		synctest.Wait()
		st.loads(2)
	})
	aging(t, "not when Redis has a newer value already", Options{}, func(st staleTest) {
		st.server.mu.Lock()
		clear(st.server.readers) // the push about it is lost
		st.server.mu.Unlock()
		other := newCacheOf(st.T, st.server.redis(), oneTag, st.src, Options{TTL: staleTTL})
		if _, err := other.GetWithin(st.Context(), "k", 0); err != nil {
			st.Fatal(err)
		}
		get(st.T, st.cache, "k", "k@0")
		synctest.Wait()
		st.loads(2)
	})
	aging(t, "a key that the source has no more is absent", Options{}, func(st staleTest) {
		st.src.hook(func(context.Context, string) error { return ErrNotFound }, nil)
		get(st.T, st.cache, "k", "k@0")
		synctest.Wait()
		fails(st.T, st.cache, ErrNotFound)
		st.loads(2)
	})
	aging(t, "without Redis there is none", Options{}, func(st staleTest) {
		e := here(st.cache.local, "k", st.redis.current.Load(), st.redis.clock.now())
		setRemote(st.redis, nil, time.Second)
		st.cache.refreshAhead(st.Context(), "k", e, st.redis.current.Load())
		synctest.Wait()
		if st.loads(1); e.refreshed.Load() {
			st.Error("a refresh was begun")
		}
	})
	aging(t, "Close ends it and waits for it", Options{}, func(st staleTest) {
		ended := false
		st.src.hook(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			ended = true
			return ctx.Err()
		}, nil)
		get(st.T, st.cache, "k", "k@0")
		synctest.Wait()
		st.cache.Close()
		if !ended {
			st.Error("Close returned before the load had ended")
		}
	})
	aging(t, "a loader that panics", Options{}, func(st staleTest) {
		st.src.hook(func(context.Context, string) error { panic("no") }, nil)
		get(st.T, st.cache, "k", "k@0")
		synctest.Wait()
		get(st.T, st.cache, "k", "k@0")
	})
	t.Run("a codec that panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(t, newFakeServer().redis(), new(source), Options{TTL: staleTTL, RefreshAhead: refreshAhead, Codec: new(moody)})
			get(t, c, "k", "k@0")
			time.Sleep(staleTTL - refreshAhead + time.Millisecond)
			get(t, c, "k", "k@0")
			synctest.Wait()
			get(t, c, "k", "k@0")
		})
	})
}

// TestHitAllocatesNothing, whatever is to be done at the end of a value's time.
func TestHitAllocatesNothing(t *testing.T) {
	for name, o := range map[string]Options{
		"plain":   {},
		"all":     {TTL: time.Hour, ServeStale: 2 * time.Hour, SoftTimeout: time.Second, RefreshAhead: time.Minute},
		"in time": {TTL: time.Hour, RefreshAhead: 53 * time.Minute}, // the refresh has been tried
	} {
		r := dial(t, RedisOptions{Prefix: newPrefix(t), MaxStale: time.Hour})
		c := newCache(t, r, new(source), o)
		get(t, c, "k", "k@0")
		if name == "in time" {
			age(t, c, 8*time.Minute)
			get(t, c, "k", "k@0")
			here(c.local, "k", r.current.Load(), r.clock.now()).refreshed.Store(true)
		}
		ctx := t.Context()
		var err error
		if n := testing.AllocsPerRun(1000, func() { _, e := c.Get(ctx, "k"); err = errors.Join(err, e) }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations for a hit, %v", name, n, err)
		}
		if st := c.Stats(); st.LocalHits < 1000 || st.Refreshes != 0 {
			t.Errorf("%s: counted %+v", name, st)
		}
	}
}

// moody is a codec that panics from the second value on.
type moody struct {
	jsonCodec
	mu   sync.Mutex
	used bool
}

func (m *moody) Marshal(v any) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used {
		panic("no")
	}
	m.used = true
	return m.jsonCodec.Marshal(v)
}

// TestRefreshInTheFleet: three nodes with many readers of a key that is near
// its end, on the real server. One of them loads it, once, and all have the new
// value before the old one ends.
func TestRefreshInTheFleet(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name string
		keys Keyspace[string]
	}{{"no tag", plain}, {"tag", oneTag}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			const nodes, readers = 3, 8
			prefix, src := newPrefix(t), new(source)
			o := Options{TTL: time.Hour, RefreshAhead: 53 * time.Minute}
			var caches []*Cache[string, string]
			for range nodes {
				r := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Minute})
				caches = append(caches, newCacheOf(t, r, mode.keys, src, o))
			}
			old := caches[0]
			get(t, old, "k", "k@0")
			age(t, old, 8*time.Minute)
			src.change()
			var wg sync.WaitGroup
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for _, c := range caches {
				for range readers {
					wg.Go(func() {
						for v := ""; v != "k@1" && !t.Failed(); runtime.Gosched() { // a hit holds up nobody else
							var err error
							if v, err = c.Get(ctx, "k"); err != nil {
								t.Errorf("Get = %v", err)
							}
						}
					})
				}
			}
			wg.Wait()
			if n := src.loads.Load(); n != 2 {
				t.Errorf("%d loads, want one more than at first", n)
			}
			servertest.Eventually(t, 30*time.Second, func() bool {
				held, _, err := old.redis.current.Load().remote.read(t.Context(), old.redis.refreshPlace(old.place("k")))
				return err == nil && held == nil
			}, "the lease of the refresh to be given up")
		})
	}
}

// age makes the value of k in Redis so much older than it is.
func age(t *testing.T, c *Cache[string, string], by time.Duration) {
	t.Helper()
	s, at := c.redis.current.Load(), c.place("k")
	f := c.flightTo("k")
	f.session = s
	held, _, err := s.remote.read(t.Context(), at)
	fr, verdict := f.form().decode(held, forever)
	if err != nil || verdict != readable {
		t.Fatalf("k is not in Redis: %v", err)
	}
	fr.written = fr.written.Add(-by)
	if ok, err := s.remote.swap(t.Context(), at, held, f.form().encode(fr), fr.left(time.Now())); !ok || err != nil {
		t.Fatalf("swap = %v, %v", ok, err)
	}
}

// TestLeaseOfThisNode: what a flight does that finds the fill lease of another
// one of this node.
func TestLeaseOfThisNode(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(c *Cache[string, string], server *fakeServer) error{
		"on another connection": func(c *Cache[string, string], server *fakeServer) error {
			setRemote(c.redis, server.redis().current.Load().remote, forever)
			_, err := c.Get(context.Background(), "k")
			return err
		},
		"for a caller who wants nothing from before": func(c *Cache[string, string], _ *fakeServer) error {
			_, err := c.GetWithin(context.Background(), "k", time.Millisecond)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, hold, server := new(source), make(chan struct{}), newFakeServer()
				src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
				c := newCache(t, server.redis(), src, Options{WaitForFill: time.Minute})
				first := make(chan error, 1)
				go func() {
					_, err := c.Get(context.Background(), "k")
					first <- err
				}()
				synctest.Wait()
				then := make(chan error, 1)
				go func() { then <- second(c, server) }()
				synctest.Wait()
				close(hold)
				if err := errors.Join(<-first, <-then); err != nil {
					t.Error(err)
				}
				if st := c.Stats(); st.Loads != 2 || st.Waits != 0 {
					t.Errorf("want a load of its own, at once: %+v", st)
				}
			})
		})
	}
}

// TestOneLoadAfterExpiry: two callers come when a key has just expired. The end
// of it is pushed when the first one's flight asks Redis for it.
func TestOneLoadAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, src := newFakeServer().redis(), new(source)
		c := newCache(t, r, src, Options{TTL: staleTTL, WaitForFill: time.Minute})
		get(t, c, "k", "k@0")
		time.Sleep(staleTTL)
		src.change()
		hold := make(chan struct{})
		src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		seemLooked(c, "k")
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				v, err := c.Get(t.Context(), "k")
				if err == nil && v != "k@1" {
					err = errors.New(v)
				}
				errs <- err
			}()
			synctest.Wait()
		}
		if st := c.Stats(); st.Flights != 3 {
			t.Fatalf("the flights were shared, so this shows nothing: %+v", st)
		}
		close(hold)
		if err := errors.Join(<-errs, <-errs); err != nil {
			t.Error(err)
		}
		get(t, c, "k", "k@1")
		if st := c.Stats(); st.Loads != 2 || st.LocalHits != 1 {
			t.Errorf("want one load after the expiry, and a local entry of it: %+v", st)
		}
		if st := c.Stats(); st.Waits != 1 {
			t.Errorf("want the second flight to wait once: %+v", st)
		}
	})
}
