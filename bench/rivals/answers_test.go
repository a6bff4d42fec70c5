package rivals

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadcache/internal/servertest"
	"leadcache/pg"
)

// TestRivals checks that each rival does what it is measured at.
func TestRivals(t *testing.T) {
	if len(rivals) == 0 || rivals[0].name != ours {
		t.Fatal("nothing to compare with: ours is not the first")
	}
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			t.Run("a miss is loaded once and kept", r.testMiss)
			t.Run("a failed load is reported and not kept", r.testFailure)
			if r.local {
				t.Run("a local hit does not ask Redis", r.testLocal)
			}
			if r.redis {
				t.Run("another node finds it in Redis", r.testRedis)
			}
			if r.shares {
				t.Run("a stampede shares a load", r.testStampede)
			}
		})
	}
}

// start opens r until the test ends, with room for some, unless s says otherwise.
func (r rival) start(t *testing.T, s setup) cache {
	t.Helper()
	s.url = servertest.RedisURL(t)
	s.prefix = cmp.Or(s.prefix, servertest.Prefix(t, s.url))
	s.entries, s.ttl = cmp.Or(s.entries, 1000), cmp.Or(s.ttl, ttl)
	c := r.open(t, s)
	t.Cleanup(c.close)
	return c
}

// wantLead asks both ways.
func wantLead(t *testing.T, c cache, key string) {
	t.Helper()
	got, err := c.get(t.Context(), key)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if diff := gocmp.Diff(leadOf(key), got); diff != "" {
		t.Fatalf("get (-want +got):\n%s", diff)
	}
	if err := c.ask(t.Context(), key); err != nil {
		t.Fatalf("ask: %v", err)
	}
}

// wantKept waits until key is answered without a load.
func wantKept(t *testing.T, c cache, src *source, key string) {
	t.Helper()
	servertest.Eventually(t, 30*time.Second, func() bool {
		before := src.loads.Load()
		wantLead(t, c, key)
		return src.loads.Load() == before
	}, "the value to be kept")
}

func (r rival) testMiss(t *testing.T) {
	for _, ask := range []struct {
		name string
		call func(c cache, key string) error
	}{
		{"ask", func(c cache, key string) error { return c.ask(t.Context(), key) }},
		{"get", func(c cache, key string) error { _, err := c.get(t.Context(), key); return err }},
	} {
		var src source
		c := r.start(t, setup{load: src.load})
		if err := ask.call(c, keyOf(1)); err != nil || src.loads.Load() != 1 {
			t.Fatalf("the first %s: %v, with %d loads, want 1", ask.name, err, src.loads.Load())
		}
		wantKept(t, c, &src, keyOf(1))
		before := src.loads.Load()
		wantLead(t, c, keyOf(2)) // not the answer for another key
		if src.loads.Load() == before {
			t.Error("another key was answered without a load")
		}
	}
}

func (r rival) testFailure(t *testing.T) {
	broken, src := errors.New("broken"), source{}
	fails := true
	c := r.start(t, setup{
		load: func(ctx context.Context, key string) (pg.Lead, error) {
			if fails {
				return pg.Lead{}, broken
			}
			return src.load(ctx, key)
		},
	})
	if err := c.ask(t.Context(), keyOf(1)); !errors.Is(err, broken) {
		t.Errorf("ask = %v, want the loader's error", err)
	}
	fails = false
	wantLead(t, c, keyOf(1))
}

func (r rival) testLocal(t *testing.T) {
	const asks = 10_000
	var src source
	c := r.start(t, setup{load: src.load})
	wantKept(t, c, &src, keyOf(1))
	loads, commands := src.loads.Load(), redisStat(t, "total_commands_processed")
	for range asks {
		if err := c.ask(t.Context(), keyOf(1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := src.loads.Load() - loads; n != 0 {
		t.Errorf("%d loads, want none", n)
	}
	if n := redisStat(t, "total_commands_processed") - commands; n > asks/10 {
		t.Errorf("%d commands of Redis for %d local hits", n, asks)
	}
}

func (r rival) testRedis(t *testing.T) {
	url := servertest.RedisURL(t)
	prefix := servertest.Prefix(t, url)
	var src source
	c := r.start(t, setup{prefix: prefix, entries: 1, load: src.load})
	wantKept(t, c, &src, keyOf(1))

	servertest.Eventually(t, 30*time.Second, func() bool {
		var none source
		other := r.open(t, setup{url: url, prefix: prefix, entries: 1, ttl: ttl, load: none.load})
		defer other.close()
		hits := redisStat(t, "keyspace_hits")
		wantLead(t, other, keyOf(1))
		return none.loads.Load() == 0 && redisStat(t, "keyspace_hits") > hits
	}, "a node that finds the value in Redis")

	client := lookInside(t)
	defer client.Close()
	left, err := client.Do(t.Context(), client.B().Pttl().Key(prefix+keyOf(1)).Build()).AsInt64()
	if d := time.Duration(left) * time.Millisecond; err != nil || d <= ttl/2 || d > ttl {
		t.Errorf("Redis keeps the value for %v, %v, want %v", d, err, ttl)
	}
}

func (r rival) testStampede(t *testing.T) {
	const callers = 64
	s := subject{source: source{takes: loadTime}}
	s.cache = r.start(t, setup{load: s.load})
	if err := s.stampede(t.Context(), callers); err != nil {
		t.Fatal(err)
	}
	// Some let a caller load once more who missed just before the load ended.
	if n := s.loads.Load(); n < 1 || n > callers/4 {
		t.Errorf("%d loads for %d callers, want 1 or not many more", n, callers)
	}
}

// TestTTL is apart from TestRivals, where others would disturb what is counted.
func TestTTL(t *testing.T) {
	t.Parallel()
	for _, r := range rivals {
		if r.forever {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var src source
			c := r.start(t, setup{ttl: time.Second, load: src.load})
			wantKept(t, c, &src, keyOf(1))
			loads := src.loads.Load()
			servertest.Eventually(t, 30*time.Second, func() bool {
				wantLead(t, c, keyOf(1))
				return src.loads.Load() > loads
			}, "the value to expire")
		})
	}
}
