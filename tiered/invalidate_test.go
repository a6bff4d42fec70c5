package tiered

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// Each test names the mechanism that carries the news, and keeps the others
// out: take the mechanism away and the test fails.

func TestInvalidateReachesOtherNodes(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, o RedisOptions) (src *source, a, b *Cache[string, string], rb *Redis) {
		t.Helper()
		src = new(source)
		o.Prefix = newPrefix(t)
		o.MaxStale = time.Hour
		ra := dial(t, o)
		rb = dial(t, o)
		return src, newCache(t, ra, src, Options{}), newCache(t, rb, src, Options{}), rb
	}

	// The change is a bare DEL by a program that knows no purge.
	t.Run("by tracking, for a value read from Redis", func(t *testing.T) {
		src, a, b, rb := setup(t, RedisOptions{})
		get(t, a, "k", "k@0")
		get(t, b, "k", "k@0")
		if st := b.Stats(); st.RedisHits != 1 || st.Loads != 0 {
			t.Fatalf("b did not read from Redis: %+v", st)
		}
		src.change()
		newStranger(t, rb.opts.Prefix).del()
		sees(t, b, "k", "k@1")
	})
	t.Run("by tracking, for a value that this node filled itself", func(t *testing.T) {
		src, _, b, rb := setup(t, RedisOptions{})
		get(t, b, "k", "k@0")
		if st := b.Stats(); st.Loads != 1 {
			t.Fatalf("b did not load: %+v", st)
		}
		src.change()
		newStranger(t, rb.opts.Prefix).del()
		sees(t, b, "k", "k@1")
	})
	refusing := servertest.Redis(t)
	if _, err := refusing.CLI("ACL", "SETUSER", "default", "-client|tracking"); err != nil {
		t.Fatal(err)
	}
	for where, url := range map[string]string{
		"the server refuses tracking":  refusing.URL(),
		"the server speaks RESP2 only": servertest.RedisURL(t) + "?protocol=2",
	} {
		t.Run("by purge, where "+where, func(t *testing.T) {
			src, a, b, rb := setup(t, RedisOptions{URL: url})
			if st := rb.Status(); st.Tracking {
				t.Fatalf("tracking is on: %+v", st)
			}
			get(t, a, "k", "k@0")
			get(t, b, "k", "k@0")
			src.change()
			if err := a.Invalidate(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			sees(t, b, "k", "k@1")
		})
	}
	t.Run("by purge, for a key that is not in Redis", func(t *testing.T) {
		src, a, b, rb := setup(t, RedisOptions{})
		g := &gate{fail: errors.New("no reads today")}
		intercept(rb, g)
		get(t, b, "k", "k@0") // kept for MaxStale, an hour
		src.change()
		if err := a.Invalidate(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		sees(t, b, "k", "k@1")
	})
	t.Run("by push or purge, for a key known to be absent", func(t *testing.T) {
		_, a, b, _ := setup(t, RedisOptions{})
		var exists atomic.Bool
		l := LoaderFunc[string, string](func(context.Context, string) (string, error) {
			if !exists.Load() {
				return "", ErrNotFound
			}
			return "here", nil
		})
		a.loader, b.loader = l, l
		for range 2 {
			if _, err := b.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
				t.Fatalf("Get = %v, want ErrNotFound", err)
			}
		}
		if st := b.Stats(); st.LocalHits != 1 || st.Loads != 1 {
			t.Fatalf("absence was not remembered: %+v", st)
		}
		exists.Store(true)
		if err := a.Invalidate(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		sees(t, b, "k", "here")
	})
}

// TestPushBeforeFill forces the schedule in the comment on entry: the push is
// handled between the reply to GET and the moment the value would be stored.
func TestPushBeforeFill(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	rb := dial(t, RedisOptions{Prefix: prefix})
	a, b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{}), newCache(t, rb, src, Options{})
	get(t, a, "k", "k@0")

	var once sync.Once
	intercept(rb, &gate{afterRead: func(string) {
		once.Do(func() {
			src.change()
			if err := a.Invalidate(context.Background(), "k"); err != nil {
				t.Error(err)
			}
			servertest.Eventually(t, 30*time.Second, func() bool { return b.Stats().Pushes > 0 }, "push at b")
		})
	}})
	get(t, b, "k", "k@0") // asked before the change
	get(t, b, "k", "k@1")
	get(t, b, "k", "k@1")
}

// TestPushAfterOwnFill is the same for a fill: the change comes between the
// reply to the fill script and the moment the value would be stored.
func TestPushAfterOwnFill(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	rb := dial(t, RedisOptions{Prefix: prefix})
	a, b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{}), newCache(t, rb, src, Options{})

	var once sync.Once
	intercept(rb, &gate{afterFill: func(string) {
		once.Do(func() {
			src.change()
			if err := a.Invalidate(context.Background(), "k"); err != nil {
				t.Error(err)
			}
			servertest.Eventually(t, 30*time.Second, func() bool { return b.Stats().Pushes > 0 }, "push at b")
		})
	}})
	get(t, b, "k", "k@0")
	get(t, b, "k", "k@1")
}

// TestPushWithoutEcho forces a lease of which no echo comes, as another node's
// change has ended the registration. Were the echo still expected when the value is
// in Redis, the push about the next change would be taken for it. That change is
// another program's, so that no purge makes up for it.
func TestPushWithoutEcho(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*testing.T, *Cache[string, string]){
		"one key": func(t *testing.T, c *Cache[string, string]) {
			t.Helper()
			get(t, c, "k", "k@0")
		},
		"several": func(t *testing.T, c *Cache[string, string]) {
			t.Helper()
			if got := c.GetMany(t.Context(), []string{"k", "other"}); got[0].Value != "k@0" || got[0].Err != nil {
				t.Fatalf("GetMany = %+v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix(t)
			src := new(manySource)
			r := dial(t, RedisOptions{Prefix: prefix})
			c := newCache(t, r, src, Options{})
			other, link := newStranger(t, prefix), r.current.Load().remote
			handled := func() { // all pushes until now
				if err := link.hearOut(t.Context()); err != nil {
					t.Error(err)
				}
			}
			var read, filled sync.Once
			intercept(r, &gate{
				afterRead: func(string) {
					read.Do(func() {
						other.set("anything", 0)
						handled()
						other.del()
					})
				},
				afterFill: func(string) {
					filled.Do(func() {
						src.change()
						other.del()
						handled()
					})
				},
			})
			ask(t, c) // loaded before the change
			get(t, c, "k", "k@1")
		})
	}
}

// TestChangeDuringLoad: while a node loads, Redis does not push to it what others do
// to the key. All the same, who asks more than MaxStale after a change does not join
// the load from before it, whoever made the change.
func TestChangeDuringLoad(t *testing.T) {
	t.Parallel()
	for name, keys := range shared {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testChangeDuringLoad(t, keys, Options{})
		})
		t.Run("plain, "+name, func(t *testing.T) {
			t.Parallel()
			testChangeDuringLoad(t, keys, Options{PlainJSON: true})
		})
	}
}

func testChangeDuringLoad(t *testing.T, keys Keyspace[string], o Options) {
	t.Helper()
	const maxStale = 200 * time.Millisecond
	prefix, src := newPrefix(t), new(source)
	c := newCacheOf(t, dial(t, RedisOptions{Prefix: prefix, MaxStale: maxStale}), keys, src, o)
	loading, goOn := src.holdFirst()
	early := make(chan string)
	go func() {
		v, _ := c.Get(context.Background(), "k")
		early <- v
	}()
	<-loading
	src.change()
	newStranger(t, prefix).del()
	changed := time.Now()
	servertest.Eventually(t, 30*time.Second, func() bool { return time.Since(changed) > maxStale }, "MaxStale to pass")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if v, err := c.Get(ctx, "k"); v != "k@1" || err != nil {
		t.Errorf("who asked more than MaxStale after the change got %q, %v, want a load of his own", v, err)
	}
	close(goOn)
	if v := <-early; v != "k@0" {
		t.Errorf("who asked before the change got %q", v)
	}
	get(t, c, "k", "k@1")
}

// TestOneLoadAcrossSpans: who asks while a load has taken long waits for it, however
// long that is, and does not load as well.
func TestOneLoadAcrossSpans(t *testing.T) {
	t.Parallel()
	const maxStale = 100 * time.Millisecond
	src := new(source)
	o := Options{WaitForFill: time.Millisecond}
	c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t), MaxStale: maxStale}), src, o)
	loading, goOn := make(chan struct{}), make(chan struct{})
	src.hook(nil, func(string) {
		close(loading)
		<-goOn
	})
	var asking sync.WaitGroup
	ask := func() { asking.Go(func() { get(t, c, "k", "k@0") }) }
	ask()
	<-loading
	for n := range uint64(3) {
		began := time.Now()
		servertest.Eventually(t, 30*time.Second, func() bool { return time.Since(began) > maxStale }, "MaxStale to pass")
		ask()
		servertest.Eventually(t, 30*time.Second, func() bool { return c.Stats().Waits > n }, "another flight that waits")
	}
	close(goOn)
	asking.Wait()
	if st := c.Stats(); st.Loads != 1 {
		t.Errorf("%d loads, want one: %+v", st.Loads, st)
	}
}

// TestInstantLoadsAreKept: a value that was loaded before the echo of its lease had
// come is kept all the same, by this node too.
func TestInstantLoadsAreKept(t *testing.T) {
	t.Parallel()
	c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t)}), new(source), Options{})
	const n = 2000
	for i := range n {
		key := strconv.Itoa(i)
		get(t, c, key, key+"@0")
	}
	if st := c.Stats(); st.Entries != n || st.Loads != n {
		t.Errorf("%d values are kept of %d: %+v", st.Entries, n, st)
	}
}

// TestInvalidateTwice forces a read on the writing node after it dropped its
// entry and before Redis dropped the key:
//
//  1. A drops its entry
//  2. A reads the key: Redis still has the old value, A keeps it
//  3. UNLINK runs; without tracking nothing tells A
func TestInvalidateTwice(t *testing.T) {
	t.Parallel()
	src := new(source)
	r := dial(t, RedisOptions{Prefix: newPrefix(t), URL: servertest.RedisURL(t) + "?protocol=2"})
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	src.change()
	intercept(r, &gate{beforeInvalidate: func() { get(t, c, "k", "k@0") }})
	if err := c.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	get(t, c, "k", "k@1")
}

// TestLateFill holds a load that has read the old row until the change has
// been committed and invalidated.
func TestLateFill(t *testing.T) {
	t.Parallel()
	for _, writer := range []string{"another node", "the same node"} {
		t.Run("invalidated by "+writer, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix(t)
			src := new(source)
			a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
			b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
			by := a
			if writer == "the same node" {
				by = b
			}

			loaded, goOn := src.holdFirst()
			early := make(chan string, 1)
			go func() {
				v, _ := b.Get(context.Background(), "k")
				early <- v
			}()
			<-loaded // b's load has the old value in hand
			src.change()
			if err := by.Invalidate(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			servertest.Eventually(t, 30*time.Second, func() bool {
				return by == b || b.Stats().Pushes > 0
			}, "news at b")

			// Who asks now must not join the old flight, which still hangs.
			get(t, b, "k", "k@1")
			close(goOn)
			if v := <-early; v != "k@0" {
				t.Fatalf("the early caller got %q, want its own load's k@0", v)
			}
			servertest.Eventually(t, 30*time.Second, func() bool { return b.Stats().Refused == 1 }, "refusal of the late fill")
			get(t, b, "k", "k@1")
			get(t, a, "k", "k@1")
		})
	}
}

func TestInvalidateNothing(t *testing.T) {
	t.Parallel()
	c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t)}), new(source), Options{})
	if err := c.Invalidate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Invalidate(t.Context(), "never seen", ""); err != nil {
		t.Error(err)
	}
}

func TestInvalidateMany(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	keys := make([]string, 2*batchKeys+1)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		get(t, b, keys[i], keys[i]+"@0")
	}
	src.change()
	if err := a.Invalidate(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		sees(t, b, k, k+"@1")
	}
}
