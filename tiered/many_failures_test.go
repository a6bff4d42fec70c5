package tiered

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

// manyTest is a node on a fake server, whose loads of k0 to k3 a test may hold up.
type manyTest struct {
	*testing.T
	server *fakeServer
	redis  *Redis
	src    *manySource
	cache  *Cache[string, string]
	keys   []string
}

func inBubble(t *testing.T, name string, o Options, test func(mt manyTest)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mt := manyTest{T: t, server: newFakeServer(), src: new(manySource), keys: numbered(4)}
			mt.redis = mt.server.redis()
			mt.cache = newCacheOf(t, mt.redis, oneTag, mt.src, o)
			test(mt)
		})
	})
}

func TestGetManyFails(t *testing.T) {
	t.Parallel()
	// Whatever ends a load, the leases are given back at once.
	for _, end := range []struct {
		name  string
		by    func([]string)
		check func(error) bool
	}{
		{"an error", nil, func(err error) bool { return errors.Is(err, errSource) }},
		{"a panic", func([]string) { panic("one bad row") }, func(err error) bool {
			p, ok := errors.AsType[*PanicError](err)
			return ok && p.Value == "one bad row" && len(p.Stack) > 0
		}},
		{"Goexit", func([]string) { runtime.Goexit() }, func(err error) bool {
			p, ok := errors.AsType[*PanicError](err)
			return ok && p.Value == nil
		}},
	} {
		inBubble(t, end.name+" is that of each key", Options{}, func(mt manyTest) {
			mt.redis.opts.Logger = quiet
			mt.src.load = end.by
			mt.src.hook(func(context.Context, string) error { return errSource }, nil)
			for i, r := range mt.cache.GetMany(mt.Context(), mt.keys) {
				if !end.check(r.Err) || strings.Contains(r.Err.Error(), "row") {
					mt.Errorf("%q: %v", mt.keys[i], r.Err)
				}
			}
			if st := mt.cache.Stats(); st.LoadErrors != 4 || st.Loads != 4 || st.Batches != 1 {
				mt.Errorf("counted %+v", st)
			}
			began := time.Now()
			getMany(mt.T, mt.other(new(manySource)), 0, mt.keys...)
			if d := time.Since(began); d != 0 {
				mt.Errorf("another node waited %v", d)
			}
		})
	}
	inBubble(t, "ErrNotFound for all is no answer for any", Options{}, func(mt manyTest) {
		c := mt.other(notFoundLoader{})
		for i, r := range c.GetMany(mt.Context(), mt.keys) {
			if r.Err == nil || errors.Is(r.Err, ErrNotFound) {
				mt.Errorf("%q: %v, want another error than ErrNotFound", mt.keys[i], r.Err)
			}
		}
	})
	inBubble(t, "failing keys are damped, each by itself", Options{}, func(mt manyTest) {
		mt.src.hook(func(context.Context, string) error { return errSource }, nil)
		failMany(mt.T, mt.cache, errSource, "k0", "k1")
		failMany(mt.T, mt.cache, errSource, "k0", "k1")
		mt.src.hook(nil, nil)
		results := mt.cache.GetMany(mt.Context(), mt.keys)
		for i, r := range results {
			if wanted := i < 2; errors.Is(r.Err, errSource) != wanted {
				mt.Errorf("%q: %v, want the old error: %v", mt.keys[i], r.Err, wanted)
			}
		}
		if st := mt.cache.Stats(); st.Damped != 2 || st.Batches != 3 || st.Loads != 6 {
			mt.Errorf("counted %+v", st)
		}
		failMany(mt.T, mt.cache, errSource, "k0", "k1") // and nothing else
		time.Sleep(minDamping)
		getMany(mt.T, mt.cache, 0, mt.keys...)
	})
	inBubble(t, "a batch takes one of MaxLoads", Options{MaxLoads: 1, MaxQueuedLoads: 1}, func(mt manyTest) {
		proceed := mt.held()
		var queued sync.WaitGroup
		queued.Go(func() { getMany(mt.T, mt.cache, 0, "k4", "k5") })
		synctest.Wait()
		failMany(mt.T, mt.cache, ErrOverloaded, "k6", "k7")
		if st := mt.cache.Stats(); st.Overloaded != 2 || st.Batches != 1 {
			mt.Errorf("counted %+v", st)
		}
		proceed()
		queued.Wait()
		mt.src.loaded(mt.T, 2, "k4", "k5")
	})
	inBubble(t, "a value the codec panics at does not harm the others", Options{Codec: bombCodec{}}, func(mt manyTest) {
		mt.redis.opts.Logger = quiet
		for range 2 {
			mt.keys[1] = "bomb"
			for i, r := range mt.cache.GetMany(mt.Context(), mt.keys) {
				if _, ok := errors.AsType[*PanicError](r.Err); ok != (i == 1) || !ok && r.Err != nil {
					mt.Errorf("%q: %v", mt.keys[i], r.Err)
				}
			}
		}
		reader := mt.other(new(manySource))
		mt.server.values["bomb"] = mt.server.values["k0"] // now reading it panics, see bombCodec
		got := reader.GetMany(mt.Context(), []string{"k0", "k2"})
		if got[0].Err != nil || got[1].Err != nil {
			mt.Errorf("%v", got)
		}
	})
	inBubble(t, "what cannot be read is replaced", Options{}, func(mt manyTest) {
		getMany(mt.T, mt.cache, 0, mt.keys...)
		other := mt.server.redis()
		other.current.Load().life++
		mt.src.change()
		c := newCacheOf(mt.T, other, oneTag, mt.src, Options{})
		getMany(mt.T, c, 1, mt.keys...)
		if st := c.Stats(); st.Undecodable != 4 || st.Batches != 1 || st.Loads != 4 {
			mt.Errorf("counted %+v", st)
		}
		if n := locals(c, mt.keys...); n != 4 {
			mt.Errorf("%d keys are kept, want all", n)
		}
	})
}

// bombCodec is JSON, but panics at what begins with "bomb".
type bombCodec struct{ jsonCodec }

func (b bombCodec) Marshal(v any) ([]byte, error) {
	if s, _ := v.(string); strings.HasPrefix(s, "bomb") {
		panic("bomb")
	}
	return b.jsonCodec.Marshal(v)
}

// notFoundLoader says of nothing in particular that it is not there.
type notFoundLoader struct{}

func (notFoundLoader) Load(context.Context, string) (string, error) { return "", ErrNotFound }

func (notFoundLoader) LoadMany(context.Context, []string) (map[string]string, error) {
	return nil, ErrNotFound
}

func TestGetManyEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, "with its caller's context; the load goes on", Options{}, func(mt manyTest) {
		getMany(mt.T, mt.cache, 0, "k9")
		hold := make(chan struct{})
		mt.src.load = func([]string) { <-hold }
		ctx, leave := context.WithCancel(mt.Context())
		done := make(chan []Result[string], 1)
		go func() { done <- mt.cache.GetMany(ctx, append(mt.keys, "k9")) }()
		synctest.Wait()
		leave()
		for i, r := range <-done {
			if wanted := i < 4; errors.Is(r.Err, context.Canceled) != wanted {
				mt.Errorf("key %d: %v, want the error of the context: %v", i, r.Err, wanted)
			}
		}
		close(hold)
		synctest.Wait()
		if n := locals(mt.cache, mt.keys...); n != 4 {
			mt.Errorf("%d keys are kept, want all", n)
		}
	})
	inBubble(t, "with an answer to what has one", Options{}, func(mt manyTest) {
		hold := make(chan struct{})
		mt.src.hook(func(_ context.Context, key string) error {
			if key == "k0" {
				<-hold
			}
			return nil
		}, nil)
		go func() { _, _ = mt.cache.Get(context.Background(), "k0") }()
		synctest.Wait()
		ctx, leave := context.WithCancel(mt.Context())
		done := make(chan []Result[string], 1)
		go func() { done <- mt.cache.GetMany(ctx, mt.keys) }()
		synctest.Wait()
		leave()
		for i, r := range <-done {
			if wanted := i == 0; (r.Err != nil) != wanted {
				mt.Errorf("%q: %v, want an error: %v", mt.keys[i], r.Err, wanted)
			}
		}
		close(hold)
		synctest.Wait()
	})
	inBubble(t, "at once when its context has ended, and begins nothing", Options{}, func(mt manyTest) {
		failMany(mt.T, newCacheOf(mt.T, off(mt.T), oneTag, mt.src, Options{}), nil)
		for _, r := range mt.cache.GetMany(gone(mt.T), mt.keys) {
			if !errors.Is(r.Err, context.Canceled) {
				mt.Errorf("%v, want Canceled", r.Err)
			}
		}
		if st := mt.cache.Stats(); st.Flights != 0 || st.Batches != 0 || st.RedisErrors != 0 {
			mt.Errorf("counted %+v", st)
		}
	})
	inBubble(t, "when its cache is closed", Options{}, func(mt manyTest) {
		mt.src.hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		var got sync.WaitGroup
		got.Go(func() { failMany(mt.T, mt.cache, ErrClosed, mt.keys...) })
		synctest.Wait()
		mt.cache.Close()
		got.Wait()
		failMany(mt.T, mt.cache, ErrClosed, mt.keys...)
		for _, key := range mt.keys {
			if _, ok := mt.server.values[key]; ok {
				mt.Errorf("the lease of %q is left behind", key)
			}
		}
	})
}

func TestGetManyWithoutRedis(t *testing.T) {
	t.Parallel()
	keepsForMaxStale := func(mt manyTest, batches uint64) {
		mt.Helper()
		mt.src.change()
		time.Sleep(mt.redis.opts.MaxStale - time.Millisecond)
		getMany(mt.T, mt.cache, 0, mt.keys...)
		time.Sleep(time.Millisecond)
		getMany(mt.T, mt.cache, 1, mt.keys...)
		if st := mt.cache.Stats(); st.Batches != batches || st.Loads != 4*batches {
			mt.Errorf("counted %+v", st)
		}
	}
	inBubble(t, "no connection", Options{}, func(mt manyTest) {
		setRemote(mt.redis, nil, mt.redis.opts.MaxStale)
		getMany(mt.T, mt.cache, 0, mt.keys...)
		keepsForMaxStale(mt, 2)
	})
	inBubble(t, "switched off", Options{}, func(mt manyTest) {
		c := newCacheOf(mt.T, off(mt.T), oneTag, mt.src, Options{})
		for range 2 {
			getMany(mt.T, c, 0, mt.keys...)
		}
		if st := c.Stats(); st.Batches != 2 || st.Entries != 0 {
			mt.Errorf("counted %+v", st)
		}
	})
	inBubble(t, "it fails reads", Options{}, func(mt manyTest) {
		intercept(mt.redis, &gate{fail: errSource})
		getMany(mt.T, mt.cache, 0, mt.keys...)
		if st := mt.cache.Stats(); st.RedisErrors != 1 {
			mt.Errorf("%d failures counted, want 1: it was one round trip", st.RedisErrors)
		}
		keepsForMaxStale(mt, 2)
	})
	inBubble(t, "it fails leases", Options{}, func(mt manyTest) {
		intercept(mt.redis, &gate{loseLease: errSource})
		getMany(mt.T, mt.cache, 0, mt.keys...)
		synctest.Wait()
		for _, key := range mt.keys {
			if _, ok := mt.server.values[key]; ok {
				mt.Errorf("the lease of %q is left behind", key)
			}
		}
	})
	inBubble(t, "some keys are in the journal", Options{}, func(mt manyTest) {
		getMany(mt.T, mt.other(mt.src), 0, mt.keys...)
		mt.src.change()
		mt.redis.journal.add([]string{"k1", "k2"})
		getMany(mt.T, mt.cache, 0, "k0", "k3")
		results := mt.cache.GetMany(mt.Context(), mt.keys)
		if results[1].Value != "k1@1" || results[2].Value != "k2@1" {
			mt.Errorf("%v, want what is in the journal to be loaded", results)
		}
		if n := mt.cache.Stats().Batches; n != 1 {
			mt.Errorf("%d batches, want 1", n)
		}
	})
	t.Run("it is killed", func(t *testing.T) {
		t.Parallel()
		srv := servertest.Redis(t)
		src := new(manySource)
		c := newCache(t, dial(t, RedisOptions{URL: srv.URL(), MaxStale: time.Minute}), src, Options{})
		loading, proceed := make(chan struct{}), make(chan struct{})
		src.load = func([]string) { close(loading); <-proceed }
		var got sync.WaitGroup
		got.Go(func() { getMany(t, c, 0, numbered(100)...) })
		<-loading
		srv.Kill()
		close(proceed)
		got.Wait()
		getMany(t, c, 0, numbered(100)...)
		src.loaded(t, 1, numbered(100)...)
	})
	t.Run("it is frozen: one wait for all", func(t *testing.T) {
		t.Parallel()
		srv := servertest.Redis(t)
		const timeout = 500 * time.Millisecond
		src := new(manySource)
		c := newCache(t, dial(t, RedisOptions{URL: srv.URL(), Timeout: timeout, MaxStale: time.Minute}), src, Options{})
		srv.Pause()
		defer srv.Resume()
		began := time.Now()
		getMany(t, c, 0, numbered(10*maxTogether)...)
		if d := time.Since(began); d > 3*timeout {
			t.Errorf("it took %v, with a Timeout of %v", d, timeout)
		}
	})
}

func TestGetManyStale(t *testing.T) {
	t.Parallel()
	o := Options{TTL: staleTTL, ServeStale: serveStale}
	stale := func(mt manyTest, cause error) {
		mt.Helper()
		for i, r := range mt.cache.GetMany(mt.Context(), mt.keys) {
			if _, ok := errors.AsType[*StaleError](r.Err); !ok || r.Value != mt.keys[i]+"@0" || !errors.Is(r.Err, cause) {
				mt.Errorf("%q: %q, %v, want a stale value", mt.keys[i], r.Value, r.Err)
			}
		}
	}
	inBubble(t, "when the load fails", o, func(mt manyTest) {
		getMany(mt.T, mt.cache, 0, mt.keys...)
		time.Sleep(staleTTL)
		mt.src.hook(func(context.Context, string) error { return errSource }, nil)
		stale(mt, errSource)
		if err := mt.cache.Invalidate(mt.Context(), "k1"); err != nil {
			mt.Fatal(err)
		}
		if r := mt.cache.GetMany(mt.Context(), mt.keys)[1]; r.Value != "" || r.Err == nil {
			mt.Errorf("%v: what was invalidated is served", r)
		}
	})
	o.SoftTimeout = time.Second
	inBubble(t, "when the load takes long, all after one SoftTimeout", o, func(mt manyTest) {
		getMany(mt.T, mt.cache, 0, mt.keys...)
		time.Sleep(staleTTL)
		mt.src.change()
		mt.src.load = func([]string) { time.Sleep(5 * time.Second) }
		began := time.Now()
		stale(mt, ErrLoading)
		if d := time.Since(began); d != o.SoftTimeout {
			mt.Errorf("it took %v, want %v", d, o.SoftTimeout)
		}
		stale(mt, ErrLoading) // who comes later has nothing to wait for
		if d := time.Since(began); d != o.SoftTimeout {
			mt.Errorf("the second took until %v, want no time", d)
		}
		time.Sleep(5 * time.Second)
		getMany(mt.T, mt.cache, 1, mt.keys...)
		if st := mt.cache.Stats(); st.Batches != 2 || st.Stale != 8 {
			mt.Errorf("counted %+v", st)
		}
	})
	inBubble(t, "what has come by the end of SoftTimeout is an answer", o, func(mt manyTest) {
		keys := numbered(12)
		getMany(mt.T, mt.cache, 0, keys...)
		time.Sleep(staleTTL)
		mt.src.change()
		mt.src.hook(func(_ context.Context, key string) error {
			if key == keys[0] {
				time.Sleep(5 * time.Second)
			}
			return nil
		}, nil)
		go func() { _, _ = mt.cache.Get(mt.Context(), keys[0]) }()
		synctest.Wait()
		for i, r := range mt.cache.GetMany(mt.Context(), keys) {
			if i == 0 {
				if r.Value != keys[0]+"@0" || !errors.Is(r.Err, ErrLoading) {
					mt.Errorf("%q: %q, %v, want a stale value", keys[0], r.Value, r.Err)
				}
			} else if r.Value != keys[i]+"@1" || r.Err != nil {
				mt.Errorf("%q: %q, %v, want the new one", keys[i], r.Value, r.Err)
			}
		}
		time.Sleep(5 * time.Second)
	})
}
