package tiered

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSoftTimeout(t *testing.T) {
	t.Parallel()
	const soft = 100 * time.Millisecond
	slow := func(st staleTest) (release func()) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return nil }, nil)
		return func() { close(hold); synctest.Wait() }
	}
	o := Options{SoftTimeout: soft}
	expired(t, "all who wait get the stale value, later callers at once, and the load goes on", o, func(st staleTest) {
		release := slow(st)
		began := time.Now()
		done := make(chan error)
		for range 8 {
			go func() {
				_, err := st.cache.Get(st.Context(), "k")
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; !errors.Is(err, ErrLoading) {
				st.Errorf("Get = %v, want ErrLoading", err)
			}
		}
		if took := time.Since(began); took != soft {
			st.Errorf("took %v, want %v", took, soft)
		}
		_, err := st.cache.Get(st.Context(), "k")
		if s, ok := errors.AsType[*StaleError](err); !ok || s.Age != staleTTL+soft || time.Since(began) != soft {
			st.Errorf("Get = %v after %v, want what the others got, and the age, at once", err, time.Since(began))
		}
		release()
		get(st.T, st.cache, "k", "k@1")
		if n := st.cache.Stats(); n.Loads != 2 || n.LocalHits != 1 || n.Stale != 9 {
			st.Errorf("want one load behind, which filled the local tier: %+v", n)
		}
	})
	expired(t, "nothing is served that is invalidated while the load runs", o, func(st staleTest) {
		release := slow(st)
		stale(st.T, st.cache, "k@0", ErrLoading)
		if err := st.server.redis().Invalidate(st.Context(), st.cache.Target("k")); err != nil {
			st.Fatal(err)
		}
		got := make(chan string)
		go func() {
			v, err := st.cache.Get(st.Context(), "k")
			if err != nil {
				st.Errorf("Get = %v", err)
			}
			got <- v
		}()
		time.Sleep(2 * soft)
		release()
		if v := <-got; v != "k@1" {
			st.Errorf("Get = %q, want k@1", v)
		}
	})
	expired(t, "a load that fails later is shared, and damped", o, func(st staleTest) {
		hold := make(chan struct{})
		st.src.hook(func(context.Context, string) error { <-hold; return errSource }, nil)
		stale(st.T, st.cache, "k@0", ErrLoading)
		close(hold)
		synctest.Wait()
		stale(st.T, st.cache, "k@0", errSource)
		stale(st.T, st.cache, "k@0", errSource)
		if n := st.cache.Stats(); n.Loads != 3 || n.Damped != 1 {
			st.Errorf("counted %+v", n)
		}
	})
	expired(t, "a caller of GetWithin waits for the load", o, func(st staleTest) {
		release := slow(st)
		stale(st.T, st.cache, "k@0", ErrLoading)
		got := make(chan string)
		go func() {
			v, _ := st.cache.GetWithin(st.Context(), "k", time.Millisecond)
			got <- v
		}()
		synctest.Wait()
		began := time.Now()
		if stale(st.T, st.cache, "k@0", ErrLoading); time.Since(began) != 0 {
			st.Error("another caller had to wait again")
		}
		time.Sleep(2 * soft)
		release()
		if v := <-got; v != "k@1" {
			st.Errorf("GetWithin = %q, want k@1", v)
		}
	})
	t.Run("without a value to serve the caller waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := new(source)
			src.hook(func(context.Context, string) error { time.Sleep(3 * soft); return nil }, nil)
			c := newCache(t, newFakeServer().redis(), src, Options{TTL: staleTTL, ServeStale: serveStale, SoftTimeout: soft})
			get(t, c, "k", "k@0")
		})
	})
}
