package tiered

import (
	"context"
	"fmt"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// TestLimitIsUsedAgain: a wait for Redis is bounded, and makes the line late when
// it was too long, each time; also by a context that has bounded others before, and
// after one that has ended. (Callers whose contexts never end, as here, and flights
// have such contexts.)
func TestLimitIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	ask := func(key string) {
		t.Helper()
		if v, err := s.cache.Get(context.Background(), key); v != key+"@0" || err != nil {
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
		servertest.Eventually(t, 10*time.Second, func() bool {
			st := s.redis.Status()
			return st.Connected && !st.Late
		}, "the line to answer again")
		if st := s.redis.Status(); st.Failures.Timeouts != before+1 {
			t.Errorf("round %d: a wait that was not too long was called so: %+v", round, st)
		}
	}
}
