package tiered

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lookBed is a cache on a fake server that holds a value of k already, and a
// gate before it.
func lookBed(t *testing.T, o Options) (c *Cache[string, string], g *gate, src *source) {
	t.Helper()
	server := newFakeServer()
	src = new(source)
	other := newCacheOf(t, server.redis(), plain, src, Options{})
	get(t, other, "k", "k@0")
	r := server.redis()
	g = new(gate)
	intercept(r, g)
	return newCache(t, r, src, o), g, src
}

func TestLook(t *testing.T) {
	t.Parallel()
	t.Run("one who comes alone asks by himself, once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, src := lookBed(t, Options{})
			reads := 0
			g.beforeRead = func() { reads++ }
			get(t, c, "k", "k@0")
			get(t, c, "k", "k@0")
			st := c.Stats()
			if reads != 1 || st.RedisHits != 1 || st.Flights != 1 || st.LocalHits != 1 || src.loads.Load() != 1 {
				t.Errorf("%d reads, %+v, want one, and then a local hit", reads, st)
			}
		})
	})
	t.Run("what nobody has is read once, then leased and loaded", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, _ := lookBed(t, Options{})
			reads := 0
			g.beforeRead = func() { reads++ }
			get(t, c, "new", "new@0")
			get(t, c, "new", "new@0")
			if st := c.Stats(); reads != 1 || st.Loads != 1 || st.LocalHits != 1 {
				t.Errorf("%d reads, %+v, want one read and one load, and then a local hit", reads, st)
			}
		})
	})
	t.Run("those who come meanwhile share a flight", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const callers = 100
			c, g, _ := lookBed(t, Options{})
			var reads atomic.Int64
			hold := make(chan struct{})
			g.beforeRead = func() { reads.Add(1); <-hold }
			answers := make(chan string, callers)
			for range callers {
				go func() {
					v, _ := c.Get(t.Context(), "k")
					answers <- v
				}()
				synctest.Wait()
			}
			close(hold)
			for range callers {
				if v := <-answers; v != "k@0" {
					t.Errorf("Get = %q, want k@0", v)
				}
			}
			if n := reads.Load(); n != 2 {
				t.Errorf("%d reads for %d callers, want that of the first and one for all others", n, callers)
			}
		})
	})
	t.Run("a push before the answer keeps it out of the local tier", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, src := lookBed(t, Options{})
			g.afterRead = func(string) {
				g.afterRead = nil
				src.change()
				if err := c.redis.Invalidate(t.Context(), c.Target("k")); err != nil {
					t.Error(err)
				}
			}
			get(t, c, "k", "k@0") // it was asked for before the change
			get(t, c, "k", "k@1")
		})
	})
	t.Run("it ends with its caller", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, src := lookBed(t, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			g.fail = ctx.Err() // as of a command that waits with that context
			loads := src.loads.Load()
			if v, err := c.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
				t.Errorf("Get = %q, %v, want the end of its context", v, err)
			}
			if st := c.Stats(); st.RedisErrors != 0 || src.loads.Load() != loads {
				t.Errorf("%+v, want no failure of Redis, and no load", st)
			}
			g.fail = nil
			get(t, c, "k", "k@0")
			if n := c.tickets.open4test(); n != 0 {
				t.Errorf("%d tickets left open", n)
			}
		})
	})
	t.Run("when Redis fails it is not asked again by the flight", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, _ := lookBed(t, Options{})
			g.fail = errors.New("broken")
			get(t, c, "k", "k@0")
			if st := c.Stats(); st.RedisErrors != 1 || st.Loads != 1 {
				t.Errorf("%+v, want one failure and one load", st)
			}
		})
	})
	t.Run("a codec that panics ends it with an error", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, _, _ := lookBed(t, Options{Codec: panicCodec{}})
			_, err := c.Get(t.Context(), "k")
			if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "codec" {
				t.Errorf("Get = %v, want the panic", err)
			}
		})
	})
	t.Run("with a SoftTimeout nobody looks", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, g, _ := lookBed(t, Options{TTL: time.Minute, ServeStale: time.Hour, SoftTimeout: time.Second})
			g.beforeRead = func() {
				if c.tickets.looked(c.place("k").key) {
					t.Error("the caller waits for Redis, and could not leave")
				}
			}
			get(t, c, "k", "k@0")
		})
	})
}

type panicCodec struct{ jsonCodec }

func (panicCodec) Unmarshal([]byte, any) error { panic("codec") }
