package tiered

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// testTags is rule 6 of remote.
func testTags(t *testing.T, a, b remote, toA *recorder, prefix string) {
	t.Helper()
	ctx := t.Context()
	const ttl = time.Minute
	set := func(t *testing.T, r remote, at place, value string, want bool) {
		t.Helper()
		got, err := r.lease(ctx, at, nil, []byte(value), ttl)
		if err != nil || got != want {
			t.Fatalf("lease(%v, nil, %q) = %v, %v, want %v", at, value, got, err, want)
		}
	}
	fill := func(t *testing.T, r remote, at place, old, value string, want bool) {
		t.Helper()
		if ok, err := r.fill(ctx, at, []byte(old), []byte(value), ttl); err != nil || ok != want {
			t.Fatalf("fill(%v, %q, %q) = %v, %v, want %v", at, old, value, ok, err, want)
		}
	}
	read := func(t *testing.T, r remote, at place, want string) {
		t.Helper()
		got, left, err := r.read(ctx, at)
		if err != nil || string(got) != want || (got == nil) != (want == "") {
			t.Fatalf("read(%v) = %q, %v, want %q", at, got, err, want)
		}
		if want != "" && (left > ttl || left < ttl/2) {
			t.Errorf("read(%v) leaves %v, want nearly %v", at, left, ttl)
		}
	}
	swap := func(t *testing.T, r remote, at place, old, value string, want bool) {
		t.Helper()
		if ok, err := r.swap(ctx, at, []byte(old), []byte(value), ttl); err != nil || ok != want {
			t.Fatalf("swap(%v, %q, %q) = %v, %v, want %v", at, old, value, ok, err, want)
		}
	}
	invalidate := func(t *testing.T, r remote, keys ...string) {
		t.Helper()
		if err := r.invalidate(ctx, keys); err != nil {
			t.Fatal(err)
		}
	}
	tag := prefix + tagPrefix + "t"
	at := func(key string) place { return place{key: prefix + key, tag: tag} }
	plain := func(key string) place { return place{key: prefix + key, tag: tag, plain: true} }
	// lose makes Redis forget the list, as an eviction does. To invalidate a
	// key that is that of a tag would delete what it lists too.
	lose := func(t *testing.T) {
		t.Helper()
		forgetTag(t, b, tag)
	}

	t.Run("rule 6: an invalidated tag takes all that bear it, from whichever node", func(t *testing.T) {
		set(t, a, at("6a"), "x", true)
		set(t, b, at("6b"), "y", true)
		read(t, a, at("6a"), "x")
		fill(t, b, at("6b"), "y", "y2", true)
		swap(t, b, at("6b"), "y2", "z", true)
		read(t, a, at("6b"), "z")
		other := place{key: prefix + "6 other", tag: tag + "2"}
		set(t, a, other, "o", true)
		invalidate(t, b, tag)
		read(t, a, at("6a"), "")
		read(t, a, at("6b"), "")
		read(t, a, other, "o")
		for _, key := range []string{at("6a").key, at("6b").key} {
			if pushes, _ := toA.count(key); pushes == 0 {
				t.Errorf("no push for %q", key)
			}
		}
		servertest.Eventually(t, 30*time.Second, func() bool { _, n := toA.count(tag); return n == 1 }, "purge of the tag")
	})
	t.Run("rule 6: what a lost list did not carry over is nothing", func(t *testing.T) {
		set(t, a, at("6c"), "lease", true)
		set(t, a, at("6d"), "value", true)
		lose(t)
		swap(t, a, at("6c"), "lease", "late", false)
		fill(t, a, at("6c"), "lease", "late", false)
		read(t, b, at("6d"), "")
		set(t, b, at("6d"), "new", true)
		read(t, a, at("6d"), "new")
		read(t, a, at("6c"), "") // a new list does not bring it back
		invalidate(t, a, tag, at("6c").key)
	})
	t.Run("rule 6: at a plain place another program's value is listed when it is read", func(t *testing.T) {
		set(t, a, place{key: plain("6e").key, plain: true}, "{}", true)
		read(t, b, plain("6e"), "{}")
		set(t, a, plain("6e"), "mine", false)
		swap(t, a, plain("6e"), "{}", "[]", true)
		invalidate(t, a, tag)
		read(t, b, plain("6e"), "")
	})
	t.Run("rule 6: at a plain place a value of ours that is not listed is nothing", func(t *testing.T) {
		set(t, a, plain("6g"), "null ", true)
		swap(t, a, plain("6g"), "null ", "{}\t", true)
		lose(t)
		read(t, b, plain("6g"), "")
		invalidate(t, a, tag, plain("6g").key)
	})
	t.Run("rule 6: a lease at a plain place that is not listed is nothing", func(t *testing.T) {
		set(t, a, plain("6f"), "null ", true)
		lose(t)
		read(t, b, plain("6f"), "")
		swap(t, a, plain("6f"), "null ", "late", false)
		set(t, b, plain("6f"), "null\t", true)
		invalidate(t, a, tag)
	})
}

// forgetTag deletes the list of a tag and nothing else.
func forgetTag(t *testing.T, r remote, tag string) {
	t.Helper()
	switch r := r.(type) {
	case *fakeRemote:
		r.server.mu.Lock()
		defer r.server.mu.Unlock()
		delete(r.server.tags, tag)
	case *link:
		if err := r.client.Do(t.Context(), r.client.B().Del().Key(tag).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("forgetTag of a %T", r)
	}
}

// pages are a keyspace whose keys bear a tag: "a:1" bears "a".
var pages = Keyspace[string]{
	Name: "page",
	Key:  func(k string) string { return "page:" + k },
	Tag:  func(k string) string { return k[:1] },
}

func newPages(t *testing.T, r *Redis, l Loader[string, string]) *Cache[string, string] {
	t.Helper()
	return newCacheOf(t, r, pages, l, Options{})
}

// An invalidated tag is obeyed on the node itself at once, on the others soon,
// for whatever bears it, wherever its values are.
func TestTagged(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"", "?protocol=2"} {
		t.Run("server"+proto, func(t *testing.T) {
			t.Parallel()
			src, prefix := new(source), newPrefix(t)
			url := servertest.RedisURL(t) + proto
			ra, rb := dial(t, RedisOptions{URL: url, Prefix: prefix}), dial(t, RedisOptions{URL: url, Prefix: prefix})
			a, b := newPages(t, ra, src), newPages(t, rb, src)
			keys := []string{"a:1", "a:7", "a:1000"}
			for _, k := range append(keys, "b:1") {
				get(t, a, k, k+"@0")
				get(t, b, k, k+"@0")
			}
			src.change()
			if err := rb.Invalidate(t.Context(), Tagged("a")); err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				get(t, b, k, k+"@1")
				sees(t, a, k, k+"@1")
			}
			get(t, a, "b:1", "b:1@0")
			get(t, b, "b:1", "b:1@0")
		})
	}
}

// Several caches and tags in one call.
func TestInvalidateTargets(t *testing.T) {
	t.Parallel()
	src, prefix := new(source), newPrefix(t)
	ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
	a, b := newCache(t, ra, src, Options{}), newCache(t, rb, src, Options{})
	pa, pb := newPages(t, ra, src), newPages(t, rb, src)
	all := func(want string) {
		t.Helper()
		for _, c := range []*Cache[string, string]{a, pa, b, pb} {
			for _, k := range []string{"k", "l"} {
				sees(t, c, k, k+want)
			}
		}
	}
	all("@0")
	src.change()
	if err := ra.Invalidate(t.Context(), a.Target("k", "l"), pa.Target("k"), Tagged("l")); err != nil {
		t.Fatal(err)
	}
	all("@1")
	if err := ra.Invalidate(t.Context()); err != nil {
		t.Errorf("Invalidate of nothing: %v", err)
	}
}

// A load that began before its tag was invalidated is kept nowhere, although
// its key was never named, and nobody who asks afterwards gets its value.
func TestLateFillOfTag(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"this node", "another node", "another node, when Redis had lost the list"} {
		t.Run("invalidated by "+where, func(t *testing.T) {
			t.Parallel()
			src, prefix := new(source), newPrefix(t)
			ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
			a, b := newPages(t, ra, src), newPages(t, rb, src)
			loaded, proceed := make(chan struct{}), make(chan struct{})
			src.hook(nil, func(string) { loaded <- struct{}{}; <-proceed })
			old := make(chan string, 1)
			go func() {
				v, _ := a.Get(context.Background(), "a:1")
				old <- v
			}()
			<-loaded
			src.change()
			src.hook(nil, nil)
			writer := ra
			if where != "this node" {
				writer = rb
			}
			if where == "another node, when Redis had lost the list" {
				forgetTag(t, ra.current.Load().remote, ra.tagKey("a"))
			}
			if err := writer.Invalidate(t.Context(), Tagged("a")); err != nil {
				t.Fatal(err)
			}
			if writer == rb { // until the purge has arrived, a may join its own flight
				servertest.Eventually(t, 30*time.Second, func() bool { return a.Stats().Pushes > 0 }, "the purge")
			}
			get(t, b, "a:1", "a:1@1")
			get(t, a, "a:1", "a:1@1")
			close(proceed)
			if v := <-old; v != "a:1@0" {
				t.Errorf("the caller from before = %q, want a:1@0", v)
			}
			get(t, a, "a:1", "a:1@1")
			get(t, newPages(t, dial(t, RedisOptions{Prefix: prefix}), src), "a:1", "a:1@1")
		})
	}
}

// While the invalidation of a tag is pending, this node does not believe what
// Redis says of its keys; later it is delivered.
func TestPendingTag(t *testing.T) {
	t.Parallel()
	src, prefix := new(source), newPrefix(t)
	ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
	a, b := newPages(t, ra, src), newPages(t, rb, src)
	get(t, a, "a:1", "a:1@0")
	get(t, b, "a:1", "a:1@0")
	src.change()
	if err := ra.Invalidate(gone(t), Tagged("a")); !errors.Is(err, ErrPending) {
		t.Fatalf("Invalidate = %v, want ErrPending", err)
	}
	get(t, a, "a:1", "a:1@1")
	sees(t, b, "a:1", "a:1@1")
	servertest.Eventually(t, 30*time.Second, func() bool { return ra.Status().Pending == 0 }, "delivery")
}

// A caller who comes after the invalidation of a tag does not get what a flight
// from before it found, although that flight has no ticket any more by which
// the tag could find it:
//
//  1. the first flight reads, and is held up; the key is invalidated
//  2. the second begins, and loads the old value
//  3. the first opens another ticket to look again, Redis fails, and so does its
//     load: it releases the only ticket for the key
//  4. the tag is invalidated, which finds nothing
//  5. a caller comes, and the second flight is there to be joined
func TestFlightWithoutTicket(t *testing.T) {
	t.Parallel()
	src, prefix := new(source), newPrefix(t)
	r := dial(t, RedisOptions{Prefix: prefix, URL: servertest.RedisURL(t) + "?protocol=2"}) // no push makes up for it
	held, goOn := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	g := &gate{afterRead: func(string) {
		if !later.Swap(true) {
			close(held)
			<-goOn
		}
	}}
	intercept(r, g)
	c := newPages(t, r, src)
	ask := func() <-chan string {
		answer := make(chan string, 1)
		go func() {
			v, _ := c.Get(context.Background(), "a:1")
			answer <- v
		}()
		return answer
	}
	seemLooked(c, "a:1")
	first := ask()
	<-held
	if err := c.Invalidate(t.Context(), "a:1"); err != nil {
		t.Fatal(err)
	}
	loaded, proceed := make(chan struct{}), make(chan struct{})
	src.hook(nil, func(string) { close(loaded); <-proceed })
	second := ask()
	<-loaded
	src.hook(func(context.Context, string) error { return errSource }, nil)
	g.fail = errSource
	close(goOn)
	<-first
	g.fail = nil
	src.hook(nil, nil)
	src.change()
	if err := r.Invalidate(t.Context(), Tagged("a")); err != nil {
		t.Fatal(err)
	}
	third := ask()
	servertest.Eventually(t, 30*time.Second, func() bool { return c.Stats().Gets == 3 }, "the third caller")
	close(proceed)
	if v := <-second; v != "a:1@0" {
		t.Errorf("the caller from before = %q, want a:1@0", v)
	}
	if v := <-third; v != "a:1@1" {
		t.Errorf("the caller from after = %q, want a:1@1", v)
	}
}

// A key that begins like those of this package is another key.
func TestReservedKeys(t *testing.T) {
	t.Parallel()
	src := new(source)
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	another := dial(t, RedisOptions{Prefix: r.opts.Prefix})
	c, d := newCache(t, r, src, Options{}), newCache(t, another, src, Options{})
	for _, key := range []string{"tiered:state", "tiered:tag:a", "tiered:purge", "tiered:key:x"} {
		get(t, c, key, key+"@0")
		get(t, d, key, key+"@0")
		src.change()
		if err := c.Invalidate(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		get(t, c, key, key+"@1")
		sees(t, d, key, key+"@1")
		src.version.Store(0)
	}
	if st := d.Stats(); st.RedisHits == 0 {
		t.Error("nothing was found in Redis")
	}
}

// While an invalidation is on its way, this node has obeyed it.
func TestInvalidateBeginsHere(t *testing.T) {
	t.Parallel()
	src := new(source)
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	intercept(r, &gate{beforeInvalidate: func() {
		if n := c.tickets.len(); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	}})
	if err := c.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
}
