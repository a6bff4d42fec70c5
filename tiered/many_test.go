package tiered

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

// manySource is a source that can load several keys at once. It has none that
// begin with "no ".
type manySource struct {
	source
	batches atomic.Int64
	load    func(keys []string) // called by LoadMany first, if it is there

	mu    sync.Mutex
	times map[string]int // a key was loaded
}

func (s *manySource) Load(ctx context.Context, key string) (string, error) {
	s.mu.Lock()
	if s.times == nil {
		s.times = make(map[string]int)
	}
	s.times[key]++
	s.mu.Unlock()
	v, err := s.source.Load(ctx, key)
	if err == nil && strings.HasPrefix(key, "no ") {
		return "", ErrNotFound
	}
	return v, err
}

func (s *manySource) LoadMany(ctx context.Context, keys []string) (map[string]string, error) {
	s.batches.Add(1)
	if s.load != nil {
		s.load(keys)
	}
	values := make(map[string]string)
	for _, key := range keys {
		switch v, err := s.Load(ctx, key); {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		default:
			values[key] = v
		}
	}
	return values, nil
}

// loaded wants so many calls of LoadMany, and each key to have been loaded once.
func (s *manySource) loaded(t testing.TB, batches int64, keys ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.batches.Load(); n != batches {
		t.Errorf("%d calls of LoadMany, want %d", n, batches)
	}
	for _, key := range keys {
		if n := s.times[key]; n != 1 {
			t.Errorf("%q was loaded %d times, want once", key, n)
		}
	}
}

// numbered returns so many keys.
func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	return keys
}

// getMany wants each key at a version, or absent.
func getMany(t testing.TB, c *Cache[string, string], version int, keys ...string) {
	t.Helper()
	results := c.GetMany(t.Context(), keys)
	if len(results) != len(keys) {
		t.Fatalf("%d results for %d keys", len(results), len(keys))
	}
	for i, got := range results {
		want := Result[string]{Value: fmt.Sprintf("%s@%d", keys[i], version)}
		if strings.HasPrefix(keys[i], "no ") {
			want = Result[string]{Err: ErrNotFound}
		}
		if got.Value != want.Value || !errors.Is(got.Err, want.Err) || got.Err != nil && want.Err == nil {
			t.Errorf("%q: %q, %v, want %q, %v", keys[i], got.Value, got.Err, want.Value, want.Err)
		}
	}
}

// failMany wants an error for each key.
func failMany(t testing.TB, c *Cache[string, string], want error, keys ...string) {
	t.Helper()
	for i, got := range c.GetMany(t.Context(), keys) {
		if !errors.Is(got.Err, want) || got.Value != "" {
			t.Errorf("%q: %q, %v, want %v", keys[i], got.Value, got.Err, want)
		}
	}
}

// locals counts those of keys that c answers from the local tier.
func locals(c *Cache[string, string], keys ...string) (n int) {
	s, now := c.redis.current.Load(), c.redis.clock.now()
	for _, key := range keys {
		if here(c.local, key, s, now) != nil {
			n++
		}
	}
	return n
}

func TestGetMany(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name, query string
		keys        Keyspace[string]
		o           Options
	}{
		{name: "framed", keys: plain},
		{name: "no tracking", query: "?protocol=2", keys: plain},
		{name: "tag", keys: oneTag},
		{name: "plain JSON", keys: plain, o: Options{PlainJSON: true}},
		{name: "tag and plain JSON", keys: oneTag, o: Options{PlainJSON: true}},
		{name: "SoftTimeout", keys: plain, o: Options{ServeStale: time.Hour, SoftTimeout: time.Minute}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix(t)
			node := func(l Loader[string, string]) *Cache[string, string] {
				o := RedisOptions{Prefix: prefix, URL: servertest.RedisURL(t) + mode.query}
				return newCacheOf(t, dial(t, o), mode.keys, l, mode.o)
			}
			src := new(manySource)
			a := node(src)
			keys := append(numbered(2*maxTogether), "no 1", "k0", "no 1") // some are named twice
			getMany(t, a, 0, keys...)
			src.loaded(t, 1, keys...)
			getMany(t, a, 0, keys...)
			n := uint64(len(keys))
			if st := a.Stats(); st.Gets != 2*n || st.LocalHits != n || st.Flights != n-2 || st.Shared != 2 ||
				st.Loads != n-2 || st.Batches != 1 || st.RedisHits != 0 {
				t.Errorf("counted %+v", st)
			}

			b := node(src)
			getMany(t, b, 0, keys[3:9]...)
			getMany(t, b, 0, keys...) // some are here, most in Redis
			getMany(t, b, 0, append(keys, "k_new", "k_newer")...)
			src.loaded(t, 2, append(keys, "k_new", "k_newer")...)
			if st := b.Stats(); st.RedisHits != n-2 || st.Loads != 2 || st.RedisErrors != 0 || st.Undecodable != 0 {
				t.Errorf("counted %+v", st)
			}

			src.change()
			if err := a.Invalidate(t.Context(), keys...); err != nil {
				t.Fatal(err)
			}
			getMany(t, a, 1, keys...)
			for _, key := range []string{"k0", "k7"} {
				sees(t, b, key, key+"@1")
			}

			without := node(new(source)) // without LoadMany
			without.loader.(*source).change()
			getMany(t, without, 1, keys[:20]...)
			getMany(t, without, 1, "k_other", "k_another")
			if st := without.Stats(); st.Loads != 2 || st.Batches != 0 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

// TestGetManyCommands: what Redis holds is read with one MGET, if nobody else, a tick for
// one, is at the connection.
func TestGetManyCommands(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	src := new(manySource)
	keys := numbered(maxTogether)
	getMany(t, newCache(t, dial(t, RedisOptions{URL: srv.URL()}), src, Options{}), 0, keys...)
	calls := func() map[string]int {
		out, err := srv.CLI("INFO", "commandstats")
		if err != nil {
			t.Fatal(err)
		}
		n := make(map[string]int)
		for _, m := range regexp.MustCompile(`cmdstat_(\w+):calls=(\d+)`).FindAllStringSubmatch(out, -1) {
			n[m[1]], _ = strconv.Atoi(m[2])
		}
		return n
	}
	servertest.Eventually(t, 30*time.Second, func() bool {
		c := newCache(t, dial(t, RedisOptions{URL: srv.URL()}), src, Options{})
		before := calls()
		getMany(t, c, 0, keys...)
		after := calls()
		return after["mget"] == before["mget"]+1 && after["get"] == before["get"]
	}, "one MGET, and no GET")
	src.loaded(t, 1, keys...)
}

// TestGetManyInTheFleet: nodes that ask for the same keys at once load each once.
func TestGetManyInTheFleet(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(manySource)
	keys := numbered(300)
	start := make(chan struct{})
	var callers sync.WaitGroup
	for node := range 3 {
		c := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{WaitForFill: time.Minute, LoadTimeout: time.Minute})
		for range 4 {
			callers.Go(func() {
				<-start
				getMany(t, c, 0, keys[node*50:]...)
				getMany(t, c, 0, keys...)
			})
		}
	}
	close(start)
	callers.Wait()
	src.loaded(t, src.batches.Load(), keys...)
}

// other returns the cache of another node.
func (mt manyTest) other(l Loader[string, string]) *Cache[string, string] {
	mt.Helper()
	return newCacheOf(mt.T, mt.server.redis(), oneTag, l, mt.cache.opts)
}

// held begins a GetMany, and returns when it loads. The load goes on, and the
// results are held against version 0, when proceed is called.
func (mt manyTest) held() (proceed func()) {
	mt.Helper()
	hold := make(chan struct{})
	mt.src.load = func([]string) { <-hold }
	done := make(chan struct{})
	results := make(chan []Result[string], 1)
	go func() {
		defer close(done)
		results <- mt.cache.GetMany(context.Background(), mt.keys)
	}()
	synctest.Wait()
	if mt.src.batches.Load() != 1 {
		mt.Fatal("it does not load")
	}
	mt.src.load = nil
	return func() {
		mt.Helper()
		mt.src.hook(nil, nil)
		close(hold)
		<-done
		for i, r := range <-results {
			if r.Err != nil || !strings.HasPrefix(r.Value, mt.keys[i]+"@") {
				mt.Errorf("%q: %q, %v", mt.keys[i], r.Value, r.Err)
			}
		}
	}
}

func TestGetManyShares(t *testing.T) {
	t.Parallel()
	inBubble(t, "Get joins the load of a batch", Options{}, func(mt manyTest) {
		proceed := mt.held()
		var got sync.WaitGroup
		got.Go(func() { get(mt.T, mt.cache, "k1", "k1@0") })
		got.Go(func() { getMany(mt.T, mt.cache, 0, "k2", "k1", "k9") })
		synctest.Wait()
		proceed()
		got.Wait()
		mt.src.loaded(mt.T, 1, "k0", "k1", "k2", "k3", "k9")
		if st := mt.cache.Stats(); st.Shared != 3 || st.Flights != 5 {
			mt.Errorf("counted %+v", st)
		}
	})
	inBubble(t, "a batch joins the load of Get", Options{}, func(mt manyTest) {
		hold := make(chan struct{})
		mt.src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		var got sync.WaitGroup
		got.Go(func() { get(mt.T, mt.cache, "k1", "k1@0") })
		synctest.Wait()
		mt.src.hook(nil, nil)
		got.Go(func() { getMany(mt.T, mt.cache, 0, mt.keys...) })
		synctest.Wait()
		close(hold)
		got.Wait()
		mt.src.loaded(mt.T, 1, mt.keys...)
		if n := locals(mt.cache, mt.keys...); n != 4 {
			mt.Errorf("%d keys are kept, want all", n)
		}
	})
	inBubble(t, "two look at once", Options{}, func(mt manyTest) {
		hold := make(chan struct{})
		var readers atomic.Int64
		intercept(mt.redis, &gate{afterRead: func(key string) {
			if key == "k0" && readers.Add(1) == 1 {
				<-hold // until the other has read, and loads
			}
		}})
		var got sync.WaitGroup
		got.Go(func() { getMany(mt.T, mt.cache, 0, mt.keys...) })
		synctest.Wait()
		getMany(mt.T, mt.cache, 0, mt.keys...)
		close(hold)
		got.Wait()
		mt.src.loaded(mt.T, 1, mt.keys...)
	})
	inBubble(t, "what another node loads is waited for", Options{}, func(mt manyTest) {
		hold := make(chan struct{})
		src := new(manySource)
		src.load = func([]string) { <-hold }
		other := mt.other(src)
		var got sync.WaitGroup
		got.Go(func() { getMany(mt.T, other, 0, "k1", "k2") })
		synctest.Wait()
		got.Go(func() { getMany(mt.T, mt.cache, 0, mt.keys...) })
		synctest.Wait()
		mt.src.loaded(mt.T, 1, "k0", "k3")
		close(hold)
		got.Wait()
		mt.src.loaded(mt.T, 1, "k0", "k3")
		if n := locals(mt.cache, mt.keys...); n != 4 {
			mt.Errorf("%d keys are kept, want all", n)
		}
	})
}

func TestGetManyAndInvalidation(t *testing.T) {
	t.Parallel()
	inTiers := func(mt manyTest, want ...string) {
		mt.Helper()
		for _, key := range mt.keys {
			_, inRedis := mt.server.values[key]
			here := locals(mt.cache, key) == 1
			if wanted := slices.Contains(want, key); inRedis != wanted || here != wanted {
				mt.Errorf("%q: in Redis: %v, here: %v, want %v", key, inRedis, here, wanted)
			}
		}
	}
	for _, from := range []string{"this node", "another node"} {
		inBubble(t, "of keys, on "+from, Options{}, func(mt manyTest) {
			c := mt.cache
			if from != "this node" {
				c = mt.other(new(source))
			}
			proceed := mt.held()
			if err := c.Invalidate(mt.Context(), "k1", "k3"); err != nil {
				mt.Fatal(err)
			}
			proceed()
			inTiers(mt, "k0", "k2")
			if st := mt.cache.Stats(); st.Refused != 2 {
				mt.Errorf("%d refused, want 2", st.Refused)
			}
		})
		inBubble(t, "of the tag, on "+from, Options{}, func(mt manyTest) {
			r := mt.redis
			if from != "this node" {
				r = mt.server.redis()
			}
			proceed := mt.held()
			if err := r.Invalidate(mt.Context(), Tagged("t")); err != nil {
				mt.Fatal(err)
			}
			proceed()
			inTiers(mt)
		})
	}
	inBubble(t, "who comes later does not share", Options{}, func(mt manyTest) {
		proceed := mt.held()
		mt.src.change()
		if err := mt.cache.Invalidate(mt.Context(), "k1"); err != nil {
			mt.Fatal(err)
		}
		get(mt.T, mt.cache, "k1", "k1@1")
		getMany(mt.T, mt.cache, 1, "k1")
		proceed()
		get(mt.T, mt.cache, "k1", "k1@1")
		inTiers(mt, mt.keys...)
	})
	inBubble(t, "who comes later does not share what was invalidated by its tag", Options{}, func(mt manyTest) {
		proceed := mt.held()
		mt.src.change()
		if err := mt.redis.Invalidate(mt.Context(), Tagged("t")); err != nil {
			mt.Fatal(err)
		}
		getMany(mt.T, mt.cache, 1, mt.keys[:2]...)
		proceed()
		getMany(mt.T, mt.cache, 1, mt.keys...)
	})
	inBubble(t, "a push comes between the read and its end", Options{}, func(mt manyTest) {
		other := mt.other(mt.src)
		getMany(mt.T, other, 0, mt.keys...)
		mt.src.change()
		intercept(mt.redis, &gate{afterRead: func(key string) {
			if key == "k2" {
				if err := other.Invalidate(context.Background(), "k0", "k2"); err != nil {
					mt.Error(err)
				}
			}
		}})
		getMany(mt.T, mt.cache, 0, mt.keys...)
		inTiers(mt, "k1", "k3")
		getMany(mt.T, mt.cache, 1, "k0", "k2")
	})
	inBubble(t, "a key is changed when its lease was placed", Options{}, func(mt manyTest) {
		other := mt.other(mt.src)
		intercept(mt.redis, &gate{beforeWrite: func(writes []write) {
			if writes[0].old == nil {
				return // the leases
			}
			mt.redis.current.Load().remote.(*gate).beforeWrite = nil
			if err := other.Invalidate(context.Background(), "k1"); err != nil {
				mt.Error(err)
			}
		}})
		getMany(mt.T, mt.cache, 0, mt.keys...)
		inTiers(mt, "k0", "k2", "k3")
	})
}
