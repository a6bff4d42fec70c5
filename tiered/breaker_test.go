package tiered

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/servertest"
)

var errOOM = replyError("OOM")

// ask lets each outcome happen to one command, and reports whether all were let
// through.
func (b *breaker) ask4test(outcomes ...error) bool {
	for _, err := range outcomes {
		done, refused := entered(context.Background(), b)
		if refused != nil {
			return false
		}
		done(err)
	}
	return true
}

func times(n int, err error) []error {
	outcomes := make([]error, n)
	for i := range outcomes {
		outcomes[i] = err
	}
	return outcomes
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	t.Run("opens when half of what was asked failed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(10, nil)...)
			if !b.ask4test(times(10, errOOM)...) {
				t.Error("it was open too early")
			}
			if b.ask4test(nil) || b.openSince().IsZero() {
				t.Error("it is not open")
			}
		})
	})
	t.Run("does not open for fewer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(11, nil)...)
			if !b.ask4test(times(10, errOOM)...) || !b.openSince().IsZero() {
				t.Error("it is open")
			}
		})
	})
	t.Run("counts timeouts and lost connections", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(10, errBroken)...)
			b.ask4test(times(10, context.DeadlineExceeded)...)
			if b.openSince().IsZero() {
				t.Error("it is not open")
			}
		})
	})
	t.Run("does not count what was not sent, nor who left", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(100, errLate)...)
			b.ask4test(times(100, context.Canceled)...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var left []func(error)
			for range 100 {
				done, err := entered(ctx, b)
				if err != nil {
					t.Fatal(err)
				}
				left = append(left, done)
			}
			<-ctx.Done()
			for _, done := range left {
				done(context.DeadlineExceeded)
			}
			if !b.openSince().IsZero() {
				t.Error("it is open")
			}
		})
	})
	t.Run("forgets", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(19, errOOM)...)
			time.Sleep(breakerWindow + breakerBucket)
			if b.ask4test(errOOM); !b.openSince().IsZero() {
				t.Error("it is open for what is long past")
			}
		})
	})
	t.Run("closes when all probes succeed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(breakerAsked, errOOM)...)
			time.Sleep(maxOpen)
			var probes []func(error)
			for range breakerProbes {
				done, err := entered(t.Context(), b)
				if err != nil {
					t.Fatalf("a probe is refused: %v", err)
				}
				probes = append(probes, done)
			}
			if _, err := entered(t.Context(), b); !errors.Is(err, errOpen) {
				t.Errorf("enter = %v, want errOpen for more than the probes", err)
			}
			for _, done := range probes {
				done(nil)
			}
			if !b.openSince().IsZero() || !b.ask4test(nil) {
				t.Error("it is still open")
			}
		})
	})
	t.Run("stays open when a probe fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(off(t))
			b.ask4test(times(breakerAsked, errOOM)...)
			time.Sleep(maxOpen)
			b.ask4test(nil, errOOM)
			if b.ask4test(nil) {
				t.Error("it is not open")
			}
		})
	})
}

// TestBreakersDoNotProbeTogether: each stays open for a time of its own.
func TestBreakersDoNotProbeTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const nodes = 40
		r, probes := off(t), 0
		breakers := make([]*breaker, nodes)
		for i := range breakers {
			breakers[i] = newBreaker(r)
			breakers[i].ask4test(times(breakerAsked, errOOM)...)
		}
		time.Sleep((minOpen + maxOpen) / 2)
		for _, b := range breakers {
			if b.ask4test(nil) {
				probes++
			}
		}
		if probes == 0 || probes == nodes {
			t.Errorf("%d of %d nodes probe in the middle of the time", probes, nodes)
		}
	})
}

// TestRefusingServer: what it refuses again and again it is not asked any more,
// until it is asked a few times and does not refuse.
func TestRefusingServer(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	r := dial(t, RedisOptions{URL: srv.URL(), MaxStale: time.Hour})
	c := newCache(t, r, new(source), Options{})
	acl := func(rule string) {
		t.Helper()
		if _, err := srv.CLI("ACL", "SETUSER", "default", rule); err != nil {
			t.Fatal(err)
		}
	}
	acl("-get")
	const keys = 400
	for i := range keys {
		get(t, c, fmt.Sprint(i), fmt.Sprint(i, "@0"))
	}
	st := r.Status()
	if st.OpenSince.IsZero() || st.Failures.Refusals < breakerAsked || st.Failures.Refusals > keys/2 {
		t.Errorf("want an open breaker after some refusals: %+v", st)
	}
	if err := c.Invalidate(t.Context(), "0"); err != nil {
		t.Errorf("Invalidate = %v, though Redis refuses reads only", err)
	}
	acl("+get")
	n := keys
	servertest.Eventually(t, 30*time.Second, func() bool {
		n++
		get(t, c, fmt.Sprint(n), fmt.Sprint(n, "@0"))
		return r.Status().OpenSince.IsZero()
	}, "the breaker to close")
}

// TestFullServer: one that has no room for a lease is not asked for one all the
// time, nor for values that it cannot have.
func TestFullServer(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	r := dial(t, RedisOptions{URL: srv.URL(), MaxStale: time.Hour})
	c := newCache(t, r, new(source), Options{})
	if _, err := srv.CLI("CONFIG", "SET", "maxmemory", "1"); err != nil {
		t.Fatal(err)
	}
	const keys = 400
	for i := range keys {
		get(t, c, fmt.Sprint(i), fmt.Sprint(i, "@0"))
	}
	if st := r.Status(); st.OpenSince.IsZero() || !st.Connected || st.Failures.Refusals > keys/2 {
		t.Errorf("want an open breaker after some refusals: %+v", st)
	}
	if err := c.Invalidate(t.Context(), "0"); err != nil {
		t.Errorf("Invalidate = %v, which takes no memory", err)
	}
}

// entered enters b, and returns what is to be called with how it went.
func entered(ctx context.Context, b *breaker) (done func(error), err error) {
	count, err := b.enter()
	return func(err error) { b.leave(ctx, count, err) }, err
}
