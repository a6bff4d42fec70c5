package tiered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// damped runs test in a bubble, with a cache whose load of k has just failed
// twice.
func damped(t *testing.T, name string, test func(st staleTest)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := staleTest{T: t, server: newFakeServer(), src: new(source)}
			st.redis = st.server.redis()
			st.cache = newCacheOf(t, st.redis, oneTag, st.src, Options{})
			st.fail()
			fails(t, st.cache, errSource)
			fails(t, st.cache, errSource)
			st.loads(2)
			test(st)
		})
	})
}

func (st staleTest) loads(want int64) {
	st.Helper()
	if n := st.src.loads.Load(); n != want {
		st.Errorf("%d loads, want %d", n, want)
	}
}

func TestDamping(t *testing.T) {
	t.Parallel()
	damped(t, "callers get the same error without a load", func(st staleTest) {
		_, first := st.cache.Get(st.Context(), "k")
		_, second := st.cache.Get(st.Context(), "k")
		if first == nil || !errors.Is(second, first) {
			st.Errorf("Get = %v, then %v, want the same", first, second)
		}
		st.loads(2)
		if n := st.cache.Stats(); n.Damped != 2 || n.LoadErrors != 2 || n.Flights != 4 {
			st.Errorf("counted %+v", n)
		}
	})
	damped(t, "longer and longer while loads fail, and no longer than maxDamping", func(st staleTest) {
		began := time.Now()
		var at []time.Duration // when loads began
		for last := st.src.loads.Load(); len(at) < 12; time.Sleep(time.Millisecond) {
			fails(st.T, st.cache, errSource)
			if n := st.src.loads.Load(); n > last {
				at, last = append(at, time.Since(began)), n
				began = time.Now()
			}
		}
		wait := minDamping
		for i, d := range at {
			if d < wait/2 || d > wait+2*time.Millisecond {
				st.Errorf("load %d came %v after the one before, want half to all of %v", i, d, wait)
			}
			wait = min(2*wait, maxDamping)
		}
		time.Sleep(3 * maxDamping)
		n := st.src.loads.Load()
		for range 3 {
			fails(st.T, st.cache, errSource)
		}
		st.loads(n + 2) // after a pause it begins anew
	})
	t.Run("loads that take long to fail are damped too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(context.Context, string) error { time.Sleep(5 * maxDamping); return errSource }, nil)
			c := newCache(t, newFakeServer().redis(), src, Options{})
			for range 20 {
				fails(t, c, errSource)
			}
			if n := src.loads.Load(); n != 2 {
				t.Errorf("%d loads, want 2", n)
			}
		})
	})
	damped(t, "a load that succeeds ends it", func(st staleTest) {
		time.Sleep(minDamping)
		st.src.hook(nil, nil)
		get(st.T, st.cache, "k", "k@0")
		if n := st.cache.damper.failing.Load(); n != 0 {
			st.Errorf("%d keys are remembered, want none", n)
		}
	})
	damped(t, "a value in Redis is found", func(st staleTest) {
		other := newCacheOf(st.T, st.server.redis(), oneTag, new(source), Options{})
		get(st.T, other, "k", "k@0")
		get(st.T, st.cache, "k", "k@0")
		st.loads(2)
	})
	damped(t, "another node's failed load does not end it", func(st staleTest) {
		src := new(source)
		src.hook(func(context.Context, string) error { return errSource }, nil)
		fails(st.T, newCacheOf(st.T, st.server.redis(), oneTag, src, Options{}), errSource)
		fails(st.T, st.cache, errSource)
		st.loads(2)
	})
	damped(t, "GetWithin with a bound of 0 asks all the same", func(st staleTest) {
		if _, err := st.cache.GetWithin(st.Context(), "k", time.Millisecond); !errors.Is(err, errSource) {
			st.Errorf("GetWithin = %v", err)
		}
		st.loads(2)
		st.src.hook(nil, nil)
		if v, err := st.cache.GetWithin(st.Context(), "k", 0); v != "k@0" || err != nil {
			st.Errorf("GetWithin = %q, %v, want k@0", v, err)
		}
	})
	for name, targets := range map[string]func(c *Cache[string, string]) Target{
		"of the key": func(c *Cache[string, string]) Target { return c.Target("k") },
		"of its tag": func(*Cache[string, string]) Target { return Tagged("t") },
	} {
		damped(t, "an invalidation "+name+" ends it", func(st staleTest) {
			st.src.hook(nil, nil)
			if err := st.redis.Invalidate(st.Context(), targets(st.cache)); err != nil {
				st.Fatal(err)
			}
			get(st.T, st.cache, "k", "k@0")
		})
		damped(t, "a purge "+name+" ends it", func(st staleTest) {
			st.src.hook(nil, nil)
			if err := st.server.redis().Invalidate(st.Context(), targets(st.cache)); err != nil {
				st.Fatal(err)
			}
			get(st.T, st.cache, "k", "k@0")
		})
		// The row was bad, is mended, and then the load of the bad one fails.
		damped(t, "an invalidation "+name+" while the load runs keeps it from beginning", func(st staleTest) {
			time.Sleep(minDamping)
			st.src.hook(func(ctx context.Context, _ string) error {
				return errors.Join(st.redis.Invalidate(context.WithoutCancel(ctx), targets(st.cache)), errSource)
			}, nil)
			fails(st.T, st.cache, errSource)
			st.src.hook(nil, nil)
			get(st.T, st.cache, "k", "k@0")
		})
	}
	t.Run("absence is an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(context.Context, string) error { return ErrNotFound }, nil)
			c := newCache(t, off(t), src, Options{})
			fails(t, c, ErrNotFound)
			src.hook(nil, nil)
			get(t, c, "k", "k@0")
		})
	})
	t.Run("no more keys are remembered than there is room for", func(t *testing.T) {
		t.Parallel()
		d := newDamper()
		for i := range 3 * dampedKeys {
			d.failed(fmt.Sprint(i), errSource, epochs{}, 1, 1)
		}
		if n := d.failing.Load(); n != dampedKeys || d.failures.Len() != dampedKeys {
			t.Errorf("%d keys (%d) are remembered, want %d", d.failures.Len(), n, dampedKeys)
		}
	})
}

// TestFailingStampede: three nodes, 32 callers each, a key whose load fails
// after a while. Whoever waits for a load that fails does not repeat it without
// end.
func TestFailingStampede(t *testing.T) {
	t.Parallel()
	const nodes, callers, rounds = 3, 32, 20
	prefix, src := newPrefix(t), new(source)
	src.hook(func(context.Context, string) error { return errSource }, nil)
	began := time.Now()
	var wg sync.WaitGroup
	for range nodes {
		c := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{WaitForFill: time.Minute})
		for range callers {
			wg.Go(func() {
				for range rounds {
					if _, err := c.Get(context.Background(), "k"); !errors.Is(err, errSource) {
						t.Errorf("Get = %v, want the loader's error", err)
					}
				}
			})
		}
	}
	wg.Wait()
	// On each node, two, and one for each time that the shortest damping can have
	// ended.
	limit := nodes * (2 + int64(time.Since(began)/(minDamping/2)))
	if n := src.loads.Load(); n > limit {
		t.Errorf("%d loads for %d calls in %v, want at most %d", n, nodes*callers*rounds, time.Since(began), limit)
	}
}
