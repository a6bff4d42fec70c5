package tiered

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

// A strait is all that lies between a node and its server: a proxy.
type strait struct {
	*proxy.Proxy
	server *server.Redis
	redis  *Redis
	cache  *Cache[string, string]
	src    *source
}

// newStrait connects a node. Unless o says so it never sends a beat, and
// nothing that it loads expires.
func newStrait(t *testing.T, o RedisOptions) *strait {
	t.Helper()
	s := &strait{server: servertest.Redis(t), src: new(source)}
	var err error
	if s.Proxy, err = proxy.Listen(s.server.Addr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	o.URL = "redis://" + s.Addr()
	o.Timeout = 200 * time.Millisecond
	o.MaxStale = orDefault(o.MaxStale, time.Hour)
	s.redis = dial(t, o)
	s.cache = newCache(t, s.redis, s.src, Options{WaitForFill: time.Hour, LoadTimeout: time.Hour})
	return s
}

func (s *strait) link() *link { return s.redis.current.Load().remote.(*link) }

// TestLateLine: after one command without a reply no other is sent, until the
// line answers again.
func TestLateLine(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	s.Freeze(proxy.Both)
	for i := range 50 {
		get(t, s.cache, fmt.Sprint(i), fmt.Sprint(i, "@0"))
	}
	if n := s.redis.Status().Failures.Timeouts; n != 1 {
		t.Errorf("%d commands were left without a reply, want only the first to be sent", n)
	}
	if st := s.cache.Stats(); st.RedisErrors != 1 || st.Loads != 50 {
		t.Errorf("want one error and 50 loads: %+v", st)
	}
	if err := s.cache.Invalidate(t.Context(), "0"); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	if f := s.redis.Status().Failures; f.Timeouts != 1 || f.Journalled != 1 {
		t.Errorf("Invalidate waited for a late line: %+v", f)
	}
	s.Thaw(proxy.Both)
	servertest.Eventually(t, 30*time.Second, func() bool {
		st := s.redis.Status()
		return st.Connected && !st.Late && st.Pending == 0
	}, "the line to answer, and the journal to be delivered")
	before := s.cache.Stats().RedisErrors
	get(t, s.cache, "new", "new@0")
	if n := s.cache.Stats().RedisErrors; n != before {
		t.Errorf("the line is not used again")
	}
}

// TestLateCommands: what is refused because the line is late does not end the
// connection, which may well answer yet.
func TestLateCommands(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	r := dial(t, RedisOptions{Prefix: prefix})
	l := r.current.Load().remote.(*link)
	at := place{key: prefix + "k", tag: prefix + tagPrefix + "t"}
	l.late.begin()
	if _, _, err := l.read(t.Context(), at); !errors.Is(err, errLate) {
		t.Errorf("read = %v, want errLate", err)
	}
	if _, err := l.lease(t.Context(), at, nil, []byte("v"), time.Minute); !errors.Is(err, errLate) {
		t.Errorf("lease = %v, want errLate", err)
	}
	if err := l.invalidate(t.Context(), []string{at.key}); !errors.Is(err, errLate) {
		t.Errorf("invalidate = %v, want errLate", err)
	}
	l.late.end()
	if _, _, err := l.read(t.Context(), at); err != nil {
		t.Errorf("read on a line that is late no longer: %v", err)
	}
}

// TestWaitingForRoomOnLateLine: who waits for room among the commands is told
// at once.
func TestWaitingForRoomOnLateLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{slots: make(chan struct{}), late: newLateness()}
		done := make(chan error)
		go func() { done <- l.reserve(t.Context()) }()
		synctest.Wait()
		l.late.begin()
		if err := <-done; !errors.Is(err, errLate) {
			t.Errorf("reserve = %v, want errLate", err)
		}
	})
}

// TestCallerInAHurry: that a caller has less time than Redis may take says
// nothing about the line.
func TestCallerInAHurry(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	s.Freeze(proxy.Both)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.cache.Invalidate(ctx, "k"); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	if st := s.redis.Status(); st.Late || st.Failures.Timeouts != 0 {
		t.Errorf("one caller has given up, and the line is late for all: %+v", st)
	}
}

// TestSilenceIsNoticed: a node that asks nothing learns from its beats that the
// line is late.
func TestSilenceIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{MaxStale: time.Second})
	s.Freeze(proxy.FromServer)
	servertest.Eventually(t, 30*time.Second, func() bool { return s.redis.Status().Late }, "the line to be late")
	servertest.Eventually(t, 30*time.Second, func() bool { return s.redis.Status().Lease == 0 }, "the lease to end")
	s.Thaw(proxy.FromServer)
	servertest.Eventually(t, 30*time.Second, func() bool {
		st := s.redis.Status()
		return st.Connected && !st.Late && st.Lease > 0
	}, "the line to be used again")
}

// TestSlowServer answers each command, but later than anyone waits for it: only
// the first waits, and the journal is delivered all the same.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	other := dial(t, RedisOptions{URL: s.server.URL()})
	rec := newRecorder()
	if err := other.enroll("recorder", rec); err != nil {
		t.Fatal(err)
	}
	s.Delay(proxy.FromServer, 400*time.Millisecond)
	get(t, s.cache, "first", "first@0")
	l := s.link()
	servertest.Eventually(t, 30*time.Second, func() bool { return l.abandoned.Load() == 0 }, "the line to answer a PING")
	if err := s.cache.Invalidate(t.Context(), "k"); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	get(t, s.cache, "second", "second@0")
	if st := s.redis.Status(); !st.Late || st.Failures.Timeouts != 1 {
		t.Errorf("want one to have waited, and the line late: %+v", st)
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return s.redis.Status().Pending == 0 }, "delivery")
	if _, n := rec.count("k"); n == 0 {
		t.Error("the other node was not told")
	}
	s.Delay(proxy.FromServer, 0)
	servertest.Eventually(t, 30*time.Second, func() bool { return !s.redis.Status().Late }, "the line to be used again")
}

// TestInvalidateManyWaitsOnce: however many batches it takes, one timeout is
// all that the caller waits.
func TestInvalidateManyWaitsOnce(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	keys := make([]string, 3*batchKeys)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	if err := s.cache.Invalidate(t.Context(), "the script is known"); err != nil {
		t.Fatal(err)
	}
	s.Delay(proxy.FromServer, 120*time.Millisecond) // in time for each
	if err := s.cache.Invalidate(t.Context(), keys...); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}
	servertest.Eventually(t, 20*time.Second, func() bool { return s.redis.Status().Pending == 0 }, "delivery")
}

// TestLeaseGivenBack: a flight that finds the line late when it comes to fill
// does not keep its lease, for which others would wait.
func TestLeaseGivenBack(t *testing.T) {
	t.Parallel()
	s := newStrait(t, RedisOptions{})
	s.src.hook(nil, func(string) { s.link().late.begin() })
	get(t, s.cache, "k", "k@0")
	if st := s.cache.Stats(); st.RedisErrors != 0 {
		t.Errorf("the flight waited for a late line: %+v", st)
	}
	servertest.Eventually(t, 30*time.Second, func() bool {
		out, err := s.server.CLI("EXISTS", "k")
		return err == nil && strings.TrimSpace(out) == "0"
	}, "the lease to be given back")
}

// frozen is a remote that a test may freeze.
type frozen struct {
	remote
	now atomic.Bool
}

func (f *frozen) read(ctx context.Context, at place) ([]byte, time.Duration, error) {
	if !f.now.Load() {
		return f.remote.read(ctx, at)
	}
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

// TestFreezeDuringWait: a server that freezes while a flight waits for another
// node's fill adds no more than the timeout to that wait.
func TestFreezeDuringWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer()
		r := server.redis()
		c := newCache(t, r, new(source), Options{WaitForFill: time.Hour})
		lease := framer{fingerprint: c.fingerprint}.encode(newLease(nodeID{1}, time.Now(), 2*time.Hour))
		if _, err := server.connect(newRecorder()).lease(t.Context(), place{key: "k"}, nil, lease, 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		rem := &frozen{remote: r.current.Load().remote}
		setRemote(r, rem, forever)
		done := make(chan time.Time)
		go func() {
			if v, err := c.Get(context.Background(), "k"); v != "k@0" || err != nil {
				t.Errorf("Get = %q, %v", v, err)
			}
			done <- time.Now()
		}()
		time.Sleep(10*time.Minute + time.Millisecond) // it has just looked again
		if st := c.Stats(); st.Waits != 1 {
			t.Errorf("one wait was counted %d times", st.Waits)
		}
		began := time.Now()
		rem.now.Store(true)
		if d := (<-done).Sub(began); d > r.opts.Timeout {
			t.Errorf("the freeze took %v from the flight, want at most %v", d, r.opts.Timeout)
		}
	})
}

// TestCloseDuringOutage: neither a cache nor a Redis waits for the server when
// it is closed, whether there is a connection, or one is being made.
func TestCloseDuringOutage(t *testing.T) {
	t.Parallel()
	for name, givenUp := range map[string]bool{"connected": false, "connecting": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStrait(t, RedisOptions{MaxStale: time.Second})
			s.Freeze(proxy.Both)
			get(t, s.cache, "k", "k@0")
			if givenUp {
				servertest.Eventually(t, 20*time.Second, func() bool { return !s.redis.Status().Connected }, "the connection to be given up")
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				s.cache.Close()
				s.redis.Close()
			}()
			select {
			case <-closed:
			case <-time.After(10 * time.Second):
				t.Error("Close waits for a frozen server")
			}
		})
	}
}
