package tiered

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoadContext: whatever begins a load, its context has the values of the caller's
// and no more of it, the whole LoadTimeout, and ends with the cache.
func TestLoadContext(t *testing.T) {
	t.Parallel()
	type id struct{}
	const timeout = 7 * time.Second
	for _, by := range []struct {
		name               string
		ask                func(context.Context, *Cache[string, string])
		batches, refreshes uint64
	}{
		{"Get", func(ctx context.Context, c *Cache[string, string]) { _, _ = c.Get(ctx, "new") }, 0, 0},
		{"GetMany", func(ctx context.Context, c *Cache[string, string]) { c.GetMany(ctx, []string{"new", "newer"}) }, 1, 0},
		{"a refresh ahead", func(ctx context.Context, c *Cache[string, string]) { _, _ = c.Get(ctx, "k") }, 0, 1},
	} {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := new(manySource)
				c := newCache(t, newFakeServer().redis(), src, Options{TTL: staleTTL, RefreshAhead: refreshAhead, LoadTimeout: timeout})
				get(t, c, "k", "k@0")
				time.Sleep(staleTTL - refreshAhead + time.Millisecond)
				loads := make(chan context.Context, 1)
				src.hook(func(ctx context.Context, _ string) error {
					loads <- ctx
					<-ctx.Done()
					return ctx.Err()
				}, nil)
				ctx, leave := context.WithTimeout(context.WithValue(t.Context(), id{}, "request 7"), timeout/2)
				began := time.Now()
				go by.ask(ctx, c)
				load := <-loads
				if got := load.Value(id{}); got != "request 7" {
					t.Errorf("the loader saw %v, want request 7", got)
				}
				if at, ok := load.Deadline(); !ok || at.Sub(began) != timeout {
					t.Errorf("the load may take %v (%v), want %v", at.Sub(began), ok, timeout)
				}
				leave()
				synctest.Wait()
				if err := load.Err(); err != nil {
					t.Errorf("%v when the caller has left, want the load to go on", err)
				}
				c.Close()
				if err, cause := load.Err(), context.Cause(load); !errors.Is(err, context.Canceled) || !errors.Is(cause, context.Canceled) {
					t.Errorf("after Close Err = %v, Cause = %v, want context.Canceled", err, cause)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("Close took %v", took)
				}
				if st := c.Stats(); st.Batches != by.batches || st.Refreshes != by.refreshes {
					t.Errorf("not what was to be tested: %+v", st)
				}
			})
		})
	}
}
