package tiered

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// TestLimitIsUsedAgain: a wait for Redis is bounded, and makes the line late when
// it was too long, each time; also by a context that has bounded others before, and
// after one that has ended.
func TestLimitIsUsedAgain(t *testing.T) {
	t.Parallel()
	t.Run("callers whose contexts never end", func(t *testing.T) {
		t.Parallel()
		testLimit(t, newStrait(t, RedisOptions{}), context.Background())
	})
	t.Run("callers whose contexts may end", func(t *testing.T) {
		t.Parallel()
		testLimit(t, newStrait(t, RedisOptions{}), t.Context())
	})
}

func testLimit(t *testing.T, s *strait, ctx context.Context) {
	t.Helper()
	ask := func(key string) {
		t.Helper()
		if v, err := s.cache.Get(ctx, key); v != key+"@0" || err != nil {
			t.Fatalf("Get(%q) = %q, %v", key, v, err)
		}
	}
	for round := range 3 {
		for i := range 5 {
			ask(fmt.Sprint("thawed ", round, i))
		}
		before := s.redis.Status().Failures.Timeouts
		s.Freeze(proxy.Both)
		ask(fmt.Sprint("frozen ", round)) // or the test does not end
		if st := s.redis.Status(); !st.Late || st.Failures.Timeouts != before+1 {
			t.Errorf("round %d: %+v, want one more wait that was too long, and a late line", round, st)
		}
		s.Thaw(proxy.Both)
		servertest.Eventually(t, 30*time.Second, func() bool {
			st := s.redis.Status()
			return st.Connected && !st.Late
		}, "the line to answer again")
		if st := s.redis.Status(); st.Failures.Timeouts != before+1 {
			t.Errorf("round %d: a wait that was not too long was called so: %+v", round, st)
		}
	}
}

// TestLimitEndsOnce: a limit says why it has ended, and one that has, or is about
// to, is not used again.
func TestLimitEndsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p limits
		ctx, cancel := context.WithCancel(t.Context())
		ended := p.take(ctx, time.Second)
		other := p.take(t.Context(), 3*time.Second)
		cancel()
		<-ended.Done()
		if err := ended.Err(); !errors.Is(err, context.Canceled) || timedOut(ended) {
			t.Errorf("Err = %v, timedOut = %v after the end of its context", err, timedOut(ended))
		}
		if other.Err() != nil {
			t.Error("another limit has ended too")
		}
		ended.stop()

		time.Sleep(2 * time.Second) // its timer must not end another
		late := p.take(t.Context(), time.Second)
		<-late.Done()
		if err := late.Err(); !errors.Is(err, context.DeadlineExceeded) || !timedOut(late) {
			t.Errorf("Err = %v, timedOut = %v after its time", err, timedOut(late))
		}
		late.stop()
		other.stop()

		for range 10 {
			l := p.take(t.Context(), time.Second)
			if l.Err() != nil {
				t.Error("it has ended before it began")
			}
			l.stop()
		}
	})
}
