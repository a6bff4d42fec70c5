package tiered

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// recorder is a receiver that counts what it was told.
type recorder struct {
	mu             sync.Mutex
	pushes, purges map[string]int
}

func newRecorder() *recorder {
	return &recorder{pushes: make(map[string]int), purges: make(map[string]int)}
}

func (r *recorder) pushed(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushes[key]++
}

func (r *recorder) invalidated(string) {}

func (r *recorder) purged(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purges[key]++
}

func (r *recorder) count(key string) (pushes, purges int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pushes[key], r.purges[key]
}

// TestRemote runs the rules of remote on the real thing and on the fake.
func TestRemote(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		prefix := newPrefix(t)
		testRemote(t, func(t *testing.T) (remote, *recorder) {
			t.Helper()
			r := dial(t, RedisOptions{Prefix: prefix})
			rec := newRecorder()
			if err := r.enroll("recorder", rec); err != nil {
				t.Fatal(err)
			}
			return r.current.Load().remote, rec
		}, prefix)
	})
	t.Run("fake", func(t *testing.T) {
		server := newFakeServer()
		testRemote(t, func(*testing.T) (remote, *recorder) {
			rec := newRecorder()
			return server.connect(rec), rec
		}, "")
	})
}

func testRemote(t *testing.T, connect func(*testing.T) (remote, *recorder), prefix string) {
	t.Helper()
	a, toA := connect(t)
	b, toB := connect(t)
	ctx := t.Context()
	const ttl = time.Minute
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, r remote, key, want string) {
		t.Helper()
		got, _, err := r.read(ctx, place{key: key})
		must(t, err)
		if string(got) != want || (got == nil) != (want == "") {
			t.Fatalf("read(%q) = %q, want %q", key, got, want)
		}
	}
	lease := func(t *testing.T, r remote, key, old, value string, want bool) {
		t.Helper()
		var held []byte
		if old != "" {
			held = []byte(old)
		}
		got, err := r.lease(ctx, place{key: key}, held, []byte(value), ttl)
		must(t, err)
		if got != want {
			t.Fatalf("lease(%q, %q, %q) = %v, want %v", key, old, value, got, want)
		}
	}
	set := func(t *testing.T, r remote, key, value string) {
		t.Helper()
		lease(t, r, key, "", value, true)
	}
	fill := func(t *testing.T, r remote, key, old, value string, want bool) {
		t.Helper()
		got, err := r.fill(ctx, place{key: key}, []byte(old), []byte(value), ttl)
		must(t, err)
		if got != want {
			t.Fatalf("fill(%q, %q, %q) = %v, want %v", key, old, value, got, want)
		}
	}
	drop := func(t *testing.T, r remote, key, old string, want bool) {
		t.Helper()
		got, err := r.drop(ctx, place{key: key}, []byte(old))
		must(t, err)
		if got != want {
			t.Fatalf("drop(%q, %q) = %v, want %v", key, old, got, want)
		}
	}
	swap := func(t *testing.T, r remote, key, old, value string, want bool) {
		t.Helper()
		got, err := r.swap(ctx, place{key: key}, []byte(old), []byte(value), ttl)
		must(t, err)
		if got != want {
			t.Fatalf("swap(%q, %q, %q) = %v, want %v", key, old, value, got, want)
		}
	}
	told := func(t *testing.T, r remote, rec *recorder, key string, want int) {
		t.Helper()
		must(t, r.hearOut(ctx))
		if got, _ := rec.count(key); got != want {
			t.Errorf("%d pushes for %q, want %d", got, key, want)
		}
	}

	t.Run("rule 1: the next change after a read is pushed, once", func(t *testing.T) {
		k := prefix + "1"
		read(t, a, k, "")
		set(t, b, k, "x")
		told(t, a, toA, k, 1)
		swap(t, b, k, "x", "y", true)
		told(t, a, toA, k, 1) // it did not read again
		read(t, a, k, "y")
		drop(t, b, k, "y", true)
		told(t, a, toA, k, 2)
	})
	t.Run("rule 1: a lease ends the registration", func(t *testing.T) {
		k := prefix + "1b"
		read(t, a, k, "")
		set(t, a, k, "a")
		told(t, a, toA, k, 1) // the lease itself
		lease(t, b, k, "", "b", false)
		lease(t, b, k, "a", "c", true)
		told(t, a, toA, k, 1)
		read(t, a, k, "c")
		lease(t, a, k, "c", "d", true)
		told(t, a, toA, k, 2)
		drop(t, b, k, "d", true)
		told(t, a, toA, k, 2)
	})
	t.Run("rule 1: a successful swap registers the node for what it wrote itself", func(t *testing.T) {
		k := prefix + "1c"
		set(t, a, k, "lease")
		swap(t, a, k, "lease", "value", true)
		told(t, a, toA, k, 1) // registered or not
		drop(t, b, k, "value", true)
		told(t, a, toA, k, 2)
	})
	t.Run("rules 1 and 2: a fill registers, and tells of itself only who was registered", func(t *testing.T) {
		k := prefix + "1e"
		read(t, a, k, "")
		read(t, b, k, "")
		set(t, a, k, "lease")
		told(t, b, toB, k, 1)
		read(t, b, k, "lease")
		fill(t, a, k, "nobody's", "value", false)
		fill(t, a, k, "lease", "value", true)
		told(t, a, toA, k, 1) // the lease
		told(t, b, toB, k, 2)
		drop(t, b, k, "value", true)
		told(t, a, toA, k, 2)
		set(t, a, k, "lease")
		read(t, a, k, "lease")
		fill(t, a, k, "lease", "value", true)
		told(t, a, toA, k, 3)
	})
	t.Run("rule 1: expiry is a change", func(t *testing.T) {
		k := prefix + "1d"
		_, err := b.lease(ctx, place{key: k}, nil, []byte("short"), 500*time.Millisecond)
		must(t, err)
		read(t, a, k, "short")
		servertest.Eventually(t, 30*time.Second, func() bool {
			_, _, err := b.read(ctx, place{key: k}) // Redis expires lazily
			pushes, _ := toA.count(k)
			return err == nil && pushes == 1
		}, "push of the expiry")
	})
	t.Run("rule 2: own writes are pushed before the method returns", func(t *testing.T) {
		k := prefix + "2"
		pushes := 0
		step := func(what string, write func()) {
			t.Helper()
			write()
			pushes++
			if got, _ := toA.count(k); got != pushes {
				t.Fatalf("%d pushes when %s returned, want %d", got, what, pushes)
			}
		}
		for range 100 {
			read(t, a, k, "")
			step("hearOut", func() { set(t, a, k, "x"); must(t, a.hearOut(ctx)) })
			step("swap", func() { swap(t, a, k, "x", "y", true) })
			step("drop", func() { drop(t, a, k, "y", true) })
			set(t, a, k, "z")
			read(t, a, k, "z")
			step("invalidate", func() { must(t, a.invalidate(ctx, []string{k})) })
		}
		if _, purges := toA.count(k); purges != 0 {
			t.Errorf("%d purges of its own, want none", purges)
		}
	})
	t.Run("rule 3: one of many wins", func(t *testing.T) {
		k := prefix + "3"
		var wg sync.WaitGroup
		won := make([]bool, 16)
		for i := range won {
			r := []remote{a, b}[i%2]
			wg.Go(func() {
				mine := []byte{byte('a' + i)}
				ok, err := r.lease(ctx, place{key: k}, nil, mine, ttl)
				won[i] = ok && err == nil
			})
		}
		wg.Wait()
		if n := len(slices.DeleteFunc(won, func(w bool) bool { return !w })); n != 1 {
			t.Errorf("%d callers of lease won, want 1", n)
		}
		swap(t, a, k, "nobody's", "x", false)
		swap(t, a, prefix+"missing", "", "x", false)
		fill(t, a, prefix+"missing", "", "x", false)
		lease(t, a, k, "nobody's", "x", false)
		drop(t, a, k, "nobody's", false)
		if held, _, err := b.read(ctx, place{key: k}); err != nil || held == nil {
			t.Errorf("drop with the wrong value removed the key (%v)", err)
		}
	})
	t.Run("rule 4: a purge reaches a node that never read the key, and keys that are not there", func(t *testing.T) {
		k1, k2 := prefix+"4 here", prefix+"4 not here"
		set(t, b, k1, "x")
		must(t, a.invalidate(ctx, []string{k1, k2}))
		read(t, b, k1, "")
		servertest.Eventually(t, 30*time.Second, func() bool {
			_, here := toB.count(k1)
			_, notHere := toB.count(k2)
			return here == 1 && notHere == 1
		}, "purge")
	})
	t.Run("rule 5: a context that has ended ends every call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		at := place{key: prefix + "5"}
		_, _, err := a.read(ctx, at)
		_, err2 := a.lease(ctx, at, nil, []byte("x"), ttl)
		_, err3 := a.swap(ctx, at, []byte("x"), []byte("y"), ttl)
		_, err4 := a.drop(ctx, at, nil)
		_, err5 := a.fill(ctx, at, []byte("x"), []byte("y"), ttl)
		for _, err := range []error{err, err2, err3, err4, err5, a.hearOut(ctx), a.invalidate(ctx, []string{prefix + "5"})} {
			if err == nil {
				t.Error("no error")
			}
		}
	})
	testTags(t, a, b, toA, prefix)
	testMany(t, a, b, toA, prefix)
	t.Run("an empty value is not a missing one", func(t *testing.T) {
		k := prefix + "empty"
		_, err := a.lease(ctx, place{key: k}, nil, []byte{}, ttl)
		must(t, err)
		if held, _, err := b.read(ctx, place{key: k}); err != nil || held == nil || len(held) != 0 {
			t.Errorf("read = %v, %v, want an empty value", held, err)
		}
	})
}
