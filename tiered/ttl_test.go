package tiered

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// These run in bubbles, on the fake server, with a clock that only moves when
// all else is still.

func TestTTL(t *testing.T) {
	t.Parallel()
	t.Run("framed", func(t *testing.T) { testTTL(t, Options{}) })
	t.Run("plain JSON", func(t *testing.T) { testTTL(t, Options{PlainJSON: true}) })
}

func testTTL(t *testing.T, o Options) {
	t.Helper()
	const step = time.Millisecond
	with := func(ttl, absent time.Duration) Options {
		o.TTL, o.AbsentTTL = ttl, absent
		return o
	}
	t.Run("a value lives 90 to 100 % of its TTL, in both tiers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := newFakeServer()
			src := new(source)
			a := newCache(t, server.redis(), src, with(10*time.Second, 0))
			b := newCache(t, server.redis(), src, with(10*time.Second, 0))
			get(t, a, "k", "k@0")
			time.Sleep(5 * time.Second)
			get(t, b, "k", "k@0") // from Redis: half its life is over
			src.change()
			time.Sleep(4*time.Second - step)
			get(t, a, "k", "k@0")
			get(t, b, "k", "k@0")
			time.Sleep(time.Second + 2*step)
			get(t, b, "k", "k@1") // not 10 s from when b read it
			get(t, a, "k", "k@1")
			if n := src.loads.Load(); n != 2 {
				t.Errorf("%d loads, want 2", n)
			}
		})
	})
	t.Run("the time that a load takes counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := newFakeServer()
			src := new(source)
			c := newCache(t, server.redis(), src, with(10*time.Second, 0))
			src.hook(nil, func(string) { time.Sleep(6 * time.Second) })
			get(t, c, "k", "k@0")
			src.hook(nil, nil)
			src.change()
			time.Sleep(4*time.Second + step)
			get(t, c, "k", "k@1")
		})
	})
	t.Run("absence has a TTL of its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := newFakeServer()
			src := new(source)
			c := newCache(t, server.redis(), src, with(time.Hour, 10*time.Second))
			src.hook(func(context.Context, string) error { return ErrNotFound }, nil)
			absent := func() {
				t.Helper()
				if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
					t.Fatalf("Get = %v, want ErrNotFound", err)
				}
			}
			absent()
			time.Sleep(9*time.Second - step)
			absent()
			if n := src.loads.Load(); n != 1 {
				t.Errorf("%d loads within AbsentTTL, want 1", n)
			}
			src.hook(nil, nil)
			time.Sleep(time.Second + 2*step)
			get(t, c, "k", "k@0")
		})
	})
	t.Run("without Redis a value is kept for MaxStale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newFakeServer().redis()
			setRemote(r, nil, r.opts.MaxStale)
			src := new(source)
			c := newCache(t, r, src, o)
			get(t, c, "k", "k@0")
			src.change()
			time.Sleep(time.Second - 2*step)
			get(t, c, "k", "k@0")
			time.Sleep(3 * step)
			get(t, c, "k", "k@1")
		})
	})
	t.Run("switched off, nothing is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			c := newCache(t, off(t), src, o)
			get(t, c, "k", "k@0")
			src.change()
			get(t, c, "k", "k@1")
			if err := c.Invalidate(t.Context(), "k"); err != nil {
				t.Errorf("Invalidate = %v", err)
			}
		})
	})
	t.Run("an entry of a former session is not served", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newFakeServer().redis()
			src := new(source)
			c := newCache(t, r, src, o)
			get(t, c, "k", "k@0")
			rem := r.current.Load().remote
			setRemote(r, rem, forever)
			get(t, c, "k", "k@0")
			if st := c.Stats(); st.LocalHits != 0 || st.RedisHits != 1 {
				t.Errorf("the new session served an old entry: %+v", st)
			}
		})
	})
	t.Run("an entry is not served when the freshness lease has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newFakeServer().redis()
			src := new(source)
			c := newCache(t, r, src, o)
			r.current.Load().renew(after(r.clock.now(), 5*time.Second))
			get(t, c, "k", "k@0")
			time.Sleep(5*time.Second - step)
			get(t, c, "k", "k@0")
			time.Sleep(step)
			get(t, c, "k", "k@0")
			if st := c.Stats(); st.LocalHits != 1 || st.RedisHits != 1 {
				t.Errorf("want one local hit, then a look at Redis: %+v", st)
			}
		})
	})
}

func TestJitterOnlyShortens(t *testing.T) {
	t.Parallel()
	for range 1000 {
		for _, ttl := range []time.Duration{minTTL, 500 * time.Millisecond, time.Hour} {
			if got := jittered(ttl); got > ttl || got < ttl-ttl/10 {
				t.Fatalf("jittered(%v) = %v", ttl, got)
			}
		}
	}
}

// TestClosedByOthers: a cache outlives its Redis.
func TestClosedByOthers(t *testing.T) {
	t.Parallel()
	r := off(t)
	src := new(source)
	c := newCache(t, r, src, Options{})
	r.Close()
	get(t, c, "k", "k@0")
	if err := c.Invalidate(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("Invalidate = %v", err)
	}
}
