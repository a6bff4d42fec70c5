package tiered

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

// off returns a Redis that is switched off: no socket, so bubbles may use it.
func off(t testing.TB) *Redis {
	t.Helper()
	r, err := Dial(RedisOptions{Disabled: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestOneLoadInTheFleet asks three nodes for one cold key, 500 goroutines each.
func TestOneLoadInTheFleet(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name, query string
		plainJSON   bool
		tag         func(string) string
	}{
		{name: "tracking"},
		{name: "no tracking", query: "?protocol=2"},
		{name: "plain JSON", plainJSON: true},
		{name: "tag", tag: func(string) string { return "t" }},
		{name: "tag and plain JSON", plainJSON: true, tag: func(string) string { return "t" }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			const nodes, callers = 3, 500
			prefix := newPrefix(t)
			keys := Keyspace[string]{Name: "plain", Key: plain.Key, Tag: mode.tag}
			src := new(source)
			start := make(chan struct{})
			var wg sync.WaitGroup
			var caches []*Cache[string, string]
			for range nodes {
				r := dial(t, RedisOptions{Prefix: prefix, URL: servertest.RedisURL(t) + mode.query})
				o := Options{WaitForFill: time.Minute, LoadTimeout: time.Minute, PlainJSON: mode.plainJSON}
				c := newCacheOf(t, r, keys, src, o)
				caches = append(caches, c)
				for range callers {
					wg.Go(func() {
						<-start
						if v, err := c.Get(context.Background(), "k"); v != "k@0" || err != nil {
							t.Errorf("Get = %q, %v", v, err)
						}
					})
				}
			}
			// The load ends only when every node has met it, so none comes late.
			allMet := make(chan struct{})
			src.hook(func(context.Context, string) error { <-allMet; return nil }, nil)
			close(start)
			servertest.Eventually(t, 30*time.Second, func() bool {
				met := 0
				for _, c := range caches {
					if st := c.Stats(); st.Waits > 0 || st.Loads > 0 {
						met++
					}
				}
				return met == nodes
			}, "every node at the key")
			close(allMet)
			wg.Wait()
			if n := src.loads.Load(); n != 1 {
				t.Errorf("the loader ran %d times, want 1", n)
			}
		})
	}
}

func TestFlight(t *testing.T) {
	t.Parallel()
	t.Run("a caller who leaves does not end it for the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			hold := make(chan struct{})
			src.hook(func(ctx context.Context, _ string) error {
				select {
				case <-hold:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}, nil)
			c := newCache(t, off(t), src, Options{})
			ctx, leave := context.WithCancel(t.Context())
			first, second := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := c.Get(ctx, "k")
				first <- err
			}()
			synctest.Wait()
			go func() {
				_, err := c.Get(t.Context(), "k")
				second <- err
			}()
			synctest.Wait()
			leave()
			if err := <-first; !errors.Is(err, context.Canceled) {
				t.Errorf("the caller who left got %v, want context.Canceled", err)
			}
			close(hold)
			if err := <-second; err != nil {
				t.Errorf("the caller who stayed got %v", err)
			}
			if n := src.loads.Load(); n != 1 {
				t.Errorf("%d loads, want 1", n)
			}
		})
	})
	t.Run("a caller whose context has ended begins nothing", func(t *testing.T) {
		t.Parallel()
		src := new(source)
		c := newCache(t, off(t), src, Options{})
		for range 50 {
			if _, err := c.Get(gone(t), "k"); !errors.Is(err, context.Canceled) {
				t.Errorf("Get = %v, want context.Canceled", err)
			}
		}
		if st := c.Stats(); st.Flights != 0 {
			t.Errorf("%d flights, want none", st.Flights)
		}
	})
	t.Run("an error reaches all who waited and is not remembered for long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			hold := make(chan struct{})
			src.hook(func(context.Context, string) error { <-hold; return errSource }, nil)
			c := newCache(t, off(t), src, Options{})
			errs := make(chan error, 8)
			for range cap(errs) {
				go func() {
					_, err := c.Get(t.Context(), "k")
					errs <- err
				}()
			}
			synctest.Wait()
			close(hold)
			for range cap(errs) {
				if err := <-errs; !errors.Is(err, errSource) {
					t.Errorf("Get = %v, want the loader's error", err)
				}
			}
			if n := src.loads.Load(); n != 1 {
				t.Errorf("%d loads, want 1", n)
			}
			src.hook(nil, nil)
			time.Sleep(minDamping)
			get(t, c, "k", "k@0")
		})
	})
	t.Run("a panic reaches all who waited, as an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(context.Context, string) error { panic("row 17785550000") }, nil)
			c := newCache(t, off(t), src, Options{})
			errs := make(chan error, 4)
			for range cap(errs) {
				go func() {
					_, err := c.Get(t.Context(), "k")
					errs <- err
				}()
			}
			for range cap(errs) {
				err := <-errs
				if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "row 17785550000" || len(p.Stack) == 0 {
					t.Errorf("Get = %v, want a PanicError with value and stack", err)
				} else if strings.Contains(err.Error(), "1778") {
					t.Errorf("the error text repeats the panic value: %v", err)
				}
			}
		})
	})
	t.Run("a loader that exits its goroutine leaves nobody waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(context.Context, string) error { runtime.Goexit(); return nil }, nil)
			c := newCache(t, off(t), src, Options{})
			_, err := c.Get(t.Context(), "k")
			if _, ok := errors.AsType[*PanicError](err); !ok {
				t.Errorf("Get = %v, want a PanicError", err)
			}
		})
	})
	t.Run("a loader that ignores its context holds nobody longer than LoadTimeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			hold := make(chan struct{})
			src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
			c := newCache(t, off(t), src, Options{LoadTimeout: 3 * time.Second})
			began := time.Now()
			_, err := c.Get(t.Context(), "k")
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
				t.Errorf("Get = %v after %v, want DeadlineExceeded after 3s", err, took)
			}
			close(hold)
		})
	})
	t.Run("the context's values reach the loader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			type id struct{}
			src := new(source)
			var got any
			src.hook(func(ctx context.Context, _ string) error { got = ctx.Value(id{}); return nil }, nil)
			c := newCache(t, off(t), src, Options{})
			if _, err := c.Get(context.WithValue(t.Context(), id{}, "request 7"), "k"); err != nil || got != "request 7" {
				t.Errorf("the loader saw %v (%v), want request 7", got, err)
			}
		})
	})
	t.Run("Close ends loads and answers their callers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
			c := newCache(t, off(t), src, Options{})
			errs := make(chan error, 1)
			go func() {
				_, err := c.Get(t.Context(), "k")
				errs <- err
			}()
			synctest.Wait()
			c.Close()
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("Get = %v, want ErrClosed", err)
			}
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
				t.Errorf("Get after Close = %v, want ErrClosed", err)
			}
			if err := c.Invalidate(t.Context(), "k"); !errors.Is(err, ErrClosed) {
				t.Errorf("Invalidate after Close = %v, want ErrClosed", err)
			}
		})
	})
}

// TestFailedLoadFreesTheLease: the next node to ask need not wait for it.
func TestFailedLoadFreesTheLease(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	o := Options{WaitForFill: time.Hour, LoadTimeout: time.Hour}
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
	src.hook(func(context.Context, string) error { return errSource }, nil)
	if _, err := a.Get(t.Context(), "k"); !errors.Is(err, errSource) {
		t.Fatalf("Get = %v, want the loader's error", err)
	}
	src.hook(nil, nil)
	get(t, b, "k", "k@0")
	if st := b.Stats(); st.Waits != 0 {
		t.Errorf("b waited for a lease that should be gone: %+v", st)
	}
}

// TestWaitEndsByPush: a node that waits for another's fill is woken by it.
func TestWaitEndsByPush(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	o := Options{WaitForFill: time.Hour, LoadTimeout: time.Hour}
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, o)
	waiting := make(chan struct{})
	src.hook(func(context.Context, string) error { <-waiting; return nil }, nil)
	var wg sync.WaitGroup
	ask := func(c *Cache[string, string]) {
		if v, err := c.Get(context.Background(), "k"); v != "k@0" || err != nil {
			t.Errorf("Get = %q, %v", v, err)
		}
	}
	wg.Go(func() { ask(a) })
	servertest.Eventually(t, 30*time.Second, func() bool { return src.loads.Load() == 1 }, "a's load")
	wg.Go(func() { ask(b) })
	servertest.Eventually(t, 30*time.Second, func() bool { return b.Stats().Waits > 0 }, "b to wait")
	close(waiting)
	wg.Wait()
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

// TestDeadLeaseHolder: a lease whose node is gone delays others by no more
// than WaitForFill.
func TestDeadLeaseHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		src := new(source)
		c := newCache(t, server.redis(), src, Options{WaitForFill: 2 * time.Second, LoadTimeout: 10 * time.Second})
		dead := server.connect(newRecorder())
		lease := framer{fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), 10*time.Second))
		if _, err := dead.lease(t.Context(), place{key: "k"}, nil, lease, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		get(t, c, "k", "k@0")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("Get took %v, want WaitForFill", took)
		}
		time.Sleep(9 * time.Second) // in the bubble: the lease has ended
		get(t, c, "k", "k@0")
		if held, _, _ := dead.read(t.Context(), place{key: "k"}); !strings.Contains(string(held), "k@0") {
			t.Errorf("Redis was not filled after the lease had ended: %q", held)
		}
	})
}

// panicky is a codec with a bug.
type panicky struct{ jsonCodec }

func (panicky) Marshal(any) ([]byte, error) { panic("no") }

func TestCodecPanics(t *testing.T) {
	t.Parallel()
	c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t)}), new(source), Options{Codec: panicky{}})
	_, err := c.Get(t.Context(), "k")
	if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "no" {
		t.Errorf("Get = %v, want a PanicError", err)
	}
}

// unwritable is a codec that refuses to write.
type unwritable struct{ jsonCodec }

func (unwritable) Marshal(any) ([]byte, error) { return nil, errors.New("no") }

func TestCodecRefuses(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t), MaxStale: time.Hour})
	c := newCache(t, r, new(source), Options{Codec: unwritable{}})
	get(t, c, "k", "k@0")
	get(t, c, "k", "k@0")
	if st := c.Stats(); st.Loads != 1 || st.LocalHits != 1 {
		t.Errorf("want one load and a local hit: %+v", st)
	}
	if held, _, err := r.current.Load().remote.read(t.Context(), place{key: r.opts.Prefix + "k"}); held != nil || err != nil {
		t.Errorf("Redis holds %q, %v, want nothing, the lease gone", held, err)
	}
}

// TestUndecodable puts things under the key that are not ours to read.
func TestUndecodable(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	r := dial(t, RedisOptions{Prefix: prefix})
	l := r.current.Load().remote.(*link)
	src := new(source)
	c := newCache(t, r, src, Options{})
	mine := framer{life: l.life, fingerprint: c.fingerprint}
	now := frame{kind: kindValue, written: time.Now(), ttl: time.Minute, payload: []byte(`"old"`)}
	old := now
	old.written = old.written.Add(-2 * foreignAge)
	for name, held := range map[string][]byte{
		"nothing at all":      {},
		"plain JSON":          []byte(`"old"`),
		"half a frame":        mine.encode(now)[:20],
		"another type":        framer{life: l.life, fingerprint: 1}.encode(old),
		"a former life":       framer{life: l.life + 1, fingerprint: c.fingerprint}.encode(now),
		"a former life lease": framer{life: l.life + 1, fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), time.Minute)),
		"payload of no value": mine.encode(frame{kind: kindValue, written: time.Now(), ttl: time.Minute, payload: []byte("{")}),
	} {
		before := c.Stats()
		if _, err := l.lease(t.Context(), place{key: prefix + name}, nil, held, time.Minute); err != nil {
			t.Fatal(err)
		}
		get(t, c, name, name+"@0")
		st := c.Stats()
		if st.Undecodable != before.Undecodable+1 || st.Loads != before.Loads+1 || st.Waits != 0 {
			t.Errorf("%s: counted %+v", name, st)
		}
		raw, _, err := l.read(t.Context(), place{key: prefix + name})
		if f, v := mine.decode(raw, 0); err != nil || v != readable || string(f.payload) != fmt.Sprintf("%q", name+"@0") {
			t.Errorf("%s: Redis was not repaired: %q, %v", name, raw, err)
		}
	}
	// A key of another kind cannot be read or filled; the answer is the loader's.
	if err := l.client.Do(t.Context(), l.client.B().Rpush().Key(prefix+"list").Element("x").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	get(t, c, "list", "list@0")
}
