package tiered

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"leadcache/internal/servertest"
)

// lose ends r's connection and waits until there is a new one.
func lose(t *testing.T, r *Redis) {
	t.Helper()
	before := r.current.Load()
	before.remote.(*link).line.hangUp()
	servertest.Eventually(t, 30*time.Second, func() bool {
		s := r.current.Load()
		return s.remote != nil && s.remote != before.remote
	}, "a new connection")
}

// gone returns a context that has ended.
func gone(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestFlightFromBeforeTheLoss: what a load found before the connection was lost
// is not for those who ask after it is back: the news in between was missed.
func TestFlightFromBeforeTheLoss(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	rb := dial(t, RedisOptions{Prefix: prefix})
	a, b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{}), newCache(t, rb, src, Options{})
	loaded, goOn := src.holdFirst()
	defer close(goOn)
	go b.Get(context.Background(), "k") //nolint:errcheck // its answer does not matter
	<-loaded                            // the old value is in hand
	rb.leave(plain.Name, b)             // b hears nothing …
	src.change()
	if err := a.Invalidate(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := rb.enroll(plain.Name, b); err != nil { // … and is back
		t.Fatal(err)
	}
	lose(t, rb)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if v, err := b.Get(ctx, "k"); v != "k@1" || err != nil {
		t.Errorf("Get on the new connection = %q, %v, want k@1", v, err)
	}
}

// TestOldFlightWithoutRedis: where no news comes at all, a flight is joined for
// no longer than MaxStale.
func TestOldFlightWithoutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := new(source)
		c := newCache(t, off(t), src, Options{})
		hold := make(chan struct{})
		var first atomic.Bool
		src.hook(nil, func(string) {
			if first.CompareAndSwap(false, true) {
				<-hold
			}
		})
		go c.Get(context.Background(), "k") //nolint:errcheck // its answer does not matter
		synctest.Wait()
		src.change() // elsewhere, and nobody can say so
		time.Sleep(c.redis.opts.MaxStale)
		get(t, c, "k", "k@1")
		close(hold)
	})
}

// TestJournalUnderFire: invalidations that fail all the time, here because
// their callers have left, do not keep the journal from being sent.
func TestJournalUnderFire(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	get(t, f.b, "k", "k@0")
	f.src.change()
	if err := f.a.Invalidate(gone(t), "k"); !errors.Is(err, ErrPending) {
		t.Fatalf("Invalidate = %v, want ErrPending", err)
	}
	servertest.Eventually(t, 30*time.Second, func() bool {
		if err := f.a.Invalidate(gone(t), "other"); !errors.Is(err, ErrPending) {
			t.Errorf("Invalidate = %v, want ErrPending", err)
		}
		v, err := f.b.Get(t.Context(), "k")
		return err == nil && v == "k@1"
	}, "delivery to b")
}

// TestOutageKeepsWhatItLoaded: failed attempts to reconnect do not drop what
// MaxStale lets this node keep.
func TestOutageKeepsWhatItLoaded(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	f.server.Kill()
	servertest.Eventually(t, 30*time.Second, func() bool { return !f.ra.Status().Connected }, "loss")
	get(t, f.a, "k", "k@0")
	last := f.ra.Status().Err
	for range 3 {
		servertest.Eventually(t, 30*time.Second, func() bool { return !errors.Is(f.ra.Status().Err, last) }, "another attempt")
		last = f.ra.Status().Err
	}
	get(t, f.a, "k", "k@0")
	if n := f.src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

// TestTwoFlightsWait: two flights of one node that wait for another's fill do
// not wake each other.
func TestTwoFlightsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		src := new(source)
		c := newCache(t, server.redis(), src, Options{WaitForFill: time.Second})
		other := server.connect(newRecorder())
		fr := framer{fingerprint: c.fingerprint}
		lease := func() []byte { return fr.encode(newLease(nodeID{1}, time.Now(), time.Minute)) }
		first, second := lease(), lease()
		if _, err := other.lease(t.Context(), place{key: "k"}, nil, first, time.Minute); err != nil {
			t.Fatal(err)
		}
		ask := func() {
			if _, err := c.Get(context.Background(), "k"); err != nil {
				t.Error(err)
			}
		}
		go ask()
		synctest.Wait()
		if ok, err := other.swap(t.Context(), place{key: "k"}, first, second, time.Minute); !ok || err != nil {
			t.Fatal(ok, err)
		}
		synctest.Wait()
		go ask() // does not join the flight from before the push
		synctest.Wait()
		if st := c.Stats(); st.Flights != 2 || st.Waits != 3 {
			t.Errorf("%d flights waited %d times, want 2 and 3", st.Flights, st.Waits)
		}
		if ok, err := other.swap(t.Context(), place{key: "k"}, second, fr.encode(frame{
			kind: kindValue, written: time.Now(), ttl: time.Minute, payload: []byte(`"filled"`),
		}), time.Minute); !ok || err != nil {
			t.Fatal(ok, err)
		}
		synctest.Wait()
		get(t, c, "k", "filled")
		if n := src.loads.Load(); n != 0 {
			t.Errorf("%d loads, want none", n)
		}
	})
}

// TestTwoFlightsRead is the same for flights that overlap while they read.
func TestTwoFlightsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		r := server.redis()
		c := newCache(t, r, new(source), Options{WaitForFill: time.Second})
		other := server.connect(newRecorder())
		lease := framer{fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), time.Minute))
		if _, err := other.lease(t.Context(), place{key: "k"}, nil, lease, time.Minute); err != nil {
			t.Fatal(err)
		}
		var reads atomic.Int64
		intercept(r, &gate{beforeRead: func() {
			reads.Add(1)
			time.Sleep(time.Millisecond)
		}})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := c.Get(context.Background(), "k"); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Millisecond / 2)
			c.flights.Forget(c.joinable("k", r.current.Load(), r.clock.now())) // the next caller does not join
		}
		wg.Wait()
		if n := reads.Load(); n > 4 {
			t.Errorf("two flights that wait for another node read %d times", n)
		}
	})
}

// TestLeaseWithLostReply: Redis took the lease, and its answer came too late.
// The others do not wait for a node that does not know that it has it.
func TestLeaseWithLostReply(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
	patient := Options{WaitForFill: time.Hour, LoadTimeout: time.Hour}
	a, b := newCache(t, ra, src, patient), newCache(t, rb, src, patient)
	intercept(ra, &gate{loseLease: context.DeadlineExceeded})
	get(t, a, "k", "k@0")
	get(t, b, "k", "k@0")
}

// TestRefusedKeyTellsNobody: an invalidation that Redis refuses again and again
// is no news to the others.
func TestRefusedKeyTellsNobody(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "app", "on", ">pw", "~ok*", "~tiered:*", "&*", "+@all"); err != nil {
		t.Fatal(err)
	}
	r := dial(t, RedisOptions{URL: strings.Replace(srv.URL(), "redis://", "redis://app:pw@", 1)})
	other, rec := dial(t, RedisOptions{URL: srv.URL()}), newRecorder()
	if err := other.enroll("recorder", rec); err != nil {
		t.Fatal(err)
	}
	r.journal.add([]string{"forbidden", "ok"})
	for range 3 {
		if err := r.settle(r.current.Load().remote.(*link)); !isRefusal(err) {
			t.Errorf("settle = %v, want a refusal", err)
		}
	}
	servertest.Eventually(t, 30*time.Second, func() bool { _, n := rec.count("ok"); return n == 1 }, "the purge of ok")
	if _, n := rec.count("forbidden"); n != 0 {
		t.Errorf("%d purges of a key that was not deleted", n)
	}
}

// TestKeyThatRedisRefuses: it does not keep this node from Redis, nor other
// invalidations from the fleet.
func TestKeyThatRedisRefuses(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "app", "on", ">pw", "~ok*", "~tiered:*", "&*", "+@all"); err != nil {
		t.Fatal(err)
	}
	src := new(source)
	o := RedisOptions{URL: strings.Replace(srv.URL(), "redis://", "redis://app:pw@", 1)}
	ra := dial(t, o)
	a, b := newCache(t, ra, src, Options{}), newCache(t, dial(t, o), src, Options{})
	get(t, b, "ok", "ok@0")
	src.change()
	if err := a.Invalidate(t.Context(), "forbidden", "ok"); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	sees(t, b, "ok", "ok@1")
	lose(t, ra)
	get(t, a, "ok", "ok@1")
	servertest.Eventually(t, 30*time.Second, func() bool { return ra.Status().Pending == 1 }, "only the refused key to be left")
}

// TestServerWithoutGetex: no fill would succeed there, so it is not used, and the
// status says why.
func TestServerWithoutGetex(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-getex"); err != nil {
		t.Fatal(err)
	}
	r, err := Dial(RedisOptions{URL: strings.Replace(srv.URL(), "redis://", "redis://app:pw@", 1), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	servertest.Eventually(t, 30*time.Second, func() bool {
		st := r.Status()
		return !st.Connected && st.Err != nil && strings.Contains(st.Err.Error(), "NOPERM")
	}, "the status to say that something is not allowed")
	get(t, newCache(t, r, new(source), Options{}), "k", "k@0")
}

// TestMemoryRunsOutDuringLoad: a server whose memory is full refuses leases, but
// what was loaded under a lease it still takes, so that it is not loaded again.
func TestMemoryRunsOutDuringLoad(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	src := new(source)
	src.hook(nil, func(string) {
		if _, err := srv.CLI("CONFIG", "SET", "maxmemory", "1"); err != nil {
			t.Error(err)
		}
	})
	o := RedisOptions{URL: srv.URL()}
	a, b := newCache(t, dial(t, o), src, Options{}), newCache(t, dial(t, o), src, Options{})
	get(t, a, "k", "k@0")
	get(t, b, "k", "k@0")
	if st := b.Stats(); st.RedisHits != 1 || st.Loads != 0 {
		t.Errorf("want a hit: %+v", st)
	}
	get(t, a, "another", "another@0")
	if st := a.Stats(); st.Loads != 2 || st.RedisErrors == 0 {
		t.Errorf("want a lease that is refused: %+v", st)
	}
	src.change()
	if err := a.Invalidate(t.Context(), "k"); err != nil {
		t.Errorf("Invalidate: %v", err)
	}
	sees(t, b, "k", "k@1")
}

// TestOwnLeaseIsNotWaitedFor: whatever kept a flight from filling, the next one
// of this node does not wait for it.
func TestOwnLeaseIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	// again asks a second time, past the local tier.
	again := func(t *testing.T, c *Cache[string, string]) {
		t.Helper()
		servertest.Eventually(t, 30*time.Second, func() bool {
			return here(c.local, "k", c.redis.current.Load(), c.redis.clock.now()) == nil
		}, "the local entry to expire")
		get(t, c, "k", "k@0")
		if st := c.Stats(); st.Waits != 0 || st.Loads != 2 {
			t.Errorf("want two loads and no wait: %+v", st)
		}
	}
	const brief = 100 * time.Millisecond // less, and a busy machine ends the session
	t.Run("Redis refuses the fill", func(t *testing.T) {
		t.Parallel()
		srv := servertest.Redis(t)
		src := new(source)
		src.hook(nil, func(string) {
			if _, err := srv.CLI("ACL", "SETUSER", "default", "-set"); err != nil {
				t.Error(err)
			}
		})
		c := newCache(t, dial(t, RedisOptions{URL: srv.URL(), MaxStale: brief}), src, Options{})
		get(t, c, "k", "k@0")
		if st := c.Stats(); st.RedisErrors == 0 {
			t.Errorf("Redis took the fill: %+v", st)
		}
		if err := c.redis.Status().Err; err == nil || !strings.Contains(err.Error(), "Redis answered") {
			t.Errorf("Status.Err = %v, want a refusal", err)
		}
		if out, err := srv.CLI("EXISTS", "k"); strings.TrimSpace(out) != "0" || err != nil {
			t.Errorf("EXISTS = %q, %v, want the lease gone", out, err)
		}
		again(t, c)
	})
	t.Run("the connection was lost during the load", func(t *testing.T) {
		t.Parallel()
		r := dial(t, RedisOptions{Prefix: newPrefix(t), MaxStale: brief})
		src := new(source)
		loading, goOn := src.holdFirst()
		c := newCache(t, r, src, Options{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if v, err := c.Get(context.Background(), "k"); v != "k@0" || err != nil {
				t.Errorf("Get = %q, %v", v, err)
			}
		}()
		<-loading
		lose(t, r)
		close(goOn)
		<-done
		again(t, c)
	})
	t.Run("the codec panicked", func(t *testing.T) {
		t.Parallel()
		c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t)}), new(source), Options{Codec: panicky{}})
		for range 2 {
			if _, err := c.Get(t.Context(), "k"); err == nil {
				t.Error("no error")
			}
		}
		if st := c.Stats(); st.Waits != 0 || st.Loads != 2 {
			t.Errorf("want two loads and no wait: %+v", st)
		}
	})
}

// TestEntriesDoNotKeepConnections: an entry may stay long after its session.
func TestEntriesDoNotKeepConnections(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	c := newCache(t, r, new(source), Options{})
	get(t, c, "k", "k@0")
	old := weak.Make(r.current.Load().remote.(*link))
	lose(t, r)
	servertest.Eventually(t, 20*time.Second, func() bool {
		runtime.GC()
		return old.Value() == nil
	}, "the old connection to be collected")
	if st := c.Stats(); st.Entries != 1 {
		t.Errorf("%d entries, want the old one still there", st.Entries)
	}
}

// TestNothingServedWhileClosing: a closed cache hears no news, so from then on
// it serves nothing, however long its last load takes.
func TestNothingServedWhileClosing(t *testing.T) {
	t.Parallel()
	src := new(source)
	c := newCache(t, dial(t, RedisOptions{Prefix: newPrefix(t)}), src, Options{})
	get(t, c, "k", "k@0")
	hold := make(chan struct{})
	src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
	go c.Get(context.Background(), "slow") //nolint:errcheck // its answer does not matter
	servertest.Eventually(t, 30*time.Second, func() bool { return src.loads.Load() == 2 }, "the slow load")
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		c.Close()
	}()
	servertest.Eventually(t, 30*time.Second, func() bool {
		_, err := c.Get(t.Context(), "k")
		return errors.Is(err, ErrClosed)
	}, "ErrClosed")
	close(hold)
	<-closing
}

// TestCloseLoadsNothing: flights that wait when the cache is closed do not turn
// to the loader.
func TestCloseLoadsNothing(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	stranger := dial(t, RedisOptions{Prefix: prefix}).current.Load()
	c := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{WaitForFill: time.Hour})
	lease := framer{life: stranger.life, fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), time.Minute))
	if _, err := stranger.remote.lease(t.Context(), place{key: prefix + "k"}, nil, lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := c.Get(context.Background(), "k")
		answer <- err
	}()
	servertest.Eventually(t, 30*time.Second, func() bool { return c.Stats().Waits == 1 }, "the wait")
	c.Close()
	if err := <-answer; !errors.Is(err, ErrClosed) || src.loads.Load() != 0 {
		t.Errorf("Get = %v after %d loads, want ErrClosed and none", err, src.loads.Load())
	}
}

// TestTwoGenerations of a program, with two ideas of a type, share a Redis.
func TestTwoGenerations(t *testing.T) {
	t.Parallel()
	o := RedisOptions{Prefix: newPrefix(t), MaxStale: time.Hour}
	type next struct{ Value string }
	var loads atomic.Int64
	older := newCache(t, dial(t, o), LoaderFunc[string, string](func(context.Context, string) (string, error) {
		loads.Add(1)
		return "x", nil
	}), Options{})
	newer, err := New(dial(t, o), plain, LoaderFunc[string, next](func(context.Context, string) (next, error) {
		loads.Add(1)
		return next{"x"}, nil
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer newer.Close()
	for range 100 {
		get(t, older, "k", "x")
		if v, err := newer.Get(t.Context(), "k"); v.Value != "x" || err != nil {
			t.Fatalf("Get = %v, %v", v, err)
		}
	}
	if n := loads.Load(); n != 2 {
		t.Errorf("%d loads, want one for each generation", n)
	}
}
