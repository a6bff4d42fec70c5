package tiered

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

// A stage is two nodes and all that may fail between them and their server.
type stage struct {
	*proxy.Proxy
	server *server.Redis
	redis  [2]*Redis
	cache  [2]*Cache[string, string]
	src    *source
}

const user = "app" // of the nodes; tests use the default one

// newStage begins with a server that nobody has connected to.
func newStage(t *testing.T, o RedisOptions) *stage {
	t.Helper()
	s := &stage{server: servertest.Redis(t, "--enable-debug-command", "yes"), src: new(source)}
	s.cli(t, "ACL", "SETUSER", user, "on", ">right", "~*", "&*", "+@all")
	p, err := proxy.Listen(s.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s.Proxy = p
	o.URL, o.Logger = "redis://"+user+":right@"+p.Addr(), quiet
	for i := range s.redis {
		if s.redis[i], err = Dial(o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.redis[i].Close() })
		// A wait for another node's fill is not one for Redis.
		s.cache[i] = newCache(t, s.redis[i], s.src, Options{WaitForFill: time.Hour, LoadTimeout: time.Hour})
	}
	return s
}

func (s *stage) cli(t *testing.T, args ...string) {
	t.Helper()
	if _, err := s.server.CLI(args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// well reports whether all nodes use Redis, and owe it nothing.
func (s *stage) well() bool {
	for _, r := range s.redis {
		if st := r.Status(); !st.Connected || st.Late || !st.OpenSince.IsZero() || st.Pending > 0 || st.Lease == 0 {
			return false
		}
	}
	return true
}

// failed reports whether any node counts more of a failure than before.
func (s *stage) failed(before [2]Failures, count func(Failures) uint64) bool {
	for i, r := range s.redis {
		if count(r.Status().Failures) > count(before[i]) {
			return true
		}
	}
	return false
}

// The failure table of the design: what breaks, how it is seen, how it is
// mended. What it says of other faults is held elsewhere:
//
//	an old snapshot, a stand-in     TestSnapshot, TestFailback
//	a writer cut off from Redis     TestJournal, TestLateLine
//	a process that was stopped      TestStoppedNode of cmd/demo
//	a node that dies with its lease TestDeadLeaseHolder
//	a loader that fails             TestFlight, TestFailedLoadFreesTheLease
//	a value that does not decode    TestUndecodable
func faults(s *stage) []fault {
	cli := func(args ...string) func(*testing.T) {
		return func(t *testing.T) { t.Helper(); s.cli(t, args...) }
	}
	restart := func(t *testing.T) {
		t.Helper()
		if err := s.server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.cli(t, "ACL", "SETUSER", user, "on", ">right", "~*", "&*", "+@all")
	}
	lost := func(f Failures) uint64 { return f.Lost }
	late := func(f Failures) uint64 { return f.Timeouts + f.Lost }
	refused := func(f Failures) uint64 { return f.Refusals + f.Dials }
	kill := cli("CLIENT", "KILL", "USER", user)
	return []fault{
		{"killed", lost, func(*testing.T) { s.server.Kill() }, restart},
		{"frozen", late, func(*testing.T) { s.server.Pause() }, func(*testing.T) { s.server.Resume() }},
		{"silent", late, func(*testing.T) { s.Freeze(proxy.Both) }, func(*testing.T) { s.Thaw(proxy.Both) }},
		{"hears nothing", late, func(*testing.T) { s.Freeze(proxy.ToServer) }, func(*testing.T) { s.Thaw(proxy.ToServer) }},
		{"says nothing", late, func(*testing.T) { s.Freeze(proxy.FromServer) }, func(*testing.T) { s.Thaw(proxy.FromServer) }},
		{"slow", late, func(*testing.T) { s.Delay(proxy.Both, 300*time.Millisecond) }, func(*testing.T) { s.Delay(proxy.Both, 0) }},
		{"cut off", lost, func(*testing.T) { s.Refuse(); s.Cut() }, func(*testing.T) { s.Restore() }},
		{"connections killed", lost, kill, kill},
		{"out of memory", refused, cli("CONFIG", "SET", "maxmemory", "1"), cli("CONFIG", "SET", "maxmemory", "0")},
		{"a replica", refused, cli("REPLICAOF", "127.0.0.1", "1"), cli("REPLICAOF", "NO", "ONE")},
		{"forbids reads", refused, cli("ACL", "SETUSER", user, "-get"), cli("ACL", "SETUSER", user, "+get")},
		{"forbids scripts", refused, cli("ACL", "SETUSER", user, "-eval", "-evalsha"), cli("ACL", "SETUSER", user, "+@all")},
		{"wrong password", refused, func(t *testing.T) {
			t.Helper()
			s.cli(t, "ACL", "SETUSER", user, "resetpass", ">other")
			kill(t)
		}, cli("ACL", "SETUSER", user, "resetpass", ">right")},
		{"flushed", nil, cli("FLUSHALL"), cli("FLUSHALL")},
	}
}

type fault struct {
	name  string
	seen  func(Failures) uint64 // what counts it; nil: nothing fails
	begin func(*testing.T)
	mend  func(*testing.T)
}

// TestFailureTable: under each fault all answers are right, none is an error,
// nobody waits for Redis for longer than a moment, and the loader is called as
// often as MaxStale allows. When it is mended, Redis is used again.
func TestFailureTable(t *testing.T) {
	t.Parallel()
	for i, f := range faults(nil) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, RedisOptions{Timeout: 100 * time.Millisecond, MaxStale: 300 * time.Millisecond})
			servertest.Eventually(t, 20*time.Second, s.well, "connections")
			endure(t, s, faults(s)[i])
		})
	}
	t.Run("down at the start", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, RedisOptions{Timeout: 100 * time.Millisecond, MaxStale: 300 * time.Millisecond})
		f := faults(s)[0]
		f.begin(t)
		f.seen = func(f Failures) uint64 { return f.Dials }
		f.begin = func(*testing.T) {}
		endure(t, s, f)
	})
}

// endure lets a fault last for some time under load.
func endure(t *testing.T, s *stage, f fault) {
	t.Helper()
	w := startStorm(t, s.src, 16, 2*time.Millisecond, s.cache[:]...)
	before := [2]Failures{s.redis[0].Status().Failures, s.redis[1].Status().Failures}
	f.begin(t)
	loads := s.src.loads.Load()
	if f.seen != nil {
		servertest.Eventually(t, 20*time.Second, func() bool { return s.failed(before, f.seen) }, "the fault to be counted")
	}
	// Long enough for several spans of MaxStale, and changes.
	servertest.Eventually(t, 20*time.Second, func() bool {
		return time.Since(w.began) > 2*time.Second && w.writes.Load() > 4 && s.src.loads.Load() > loads
	}, "the fault to last")
	f.mend(t)
	servertest.Eventually(t, 30*time.Second, s.well, "Redis to be used again")
	w.checkLoads()
	// A flight would wait an hour for a fill, and seconds for the connection to
	// be given up.
	if d := w.longest(); d > 5*time.Second {
		t.Errorf("a call took %v", d)
	} else {
		t.Logf("the longest call took %v; %+v", d, s.redis[0].Status().Failures)
	}
	w.end()
	n := 0
	servertest.Eventually(t, 20*time.Second, func() bool { // a connection may have been lost just now
		n++
		key := "after" + strconv.Itoa(n)
		hits := s.cache[1].Stats().RedisHits
		get(t, s.cache[0], key, key+"@"+version(s.src))
		get(t, s.cache[1], key, key+"@"+version(s.src))
		return s.cache[1].Stats().RedisHits > hits
	}, "a node to find in Redis what another put there")
}

func version(src *source) string { return strconv.FormatInt(src.version.Load(), 10) }

// TestLoadingServer: one that has yet to load its data set is not used.
func TestLoadingServer(t *testing.T) {
	t.Parallel()
	s := newStage(t, RedisOptions{Timeout: 100 * time.Millisecond, MaxStale: 300 * time.Millisecond})
	servertest.Eventually(t, 20*time.Second, s.well, "connections")
	const keys = 2000
	s.cli(t, "DEBUG", "POPULATE", strconv.Itoa(keys), "filler", "1000")
	s.cli(t, "CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
	s.cli(t, "CONFIG", "SET", "key-load-delay", "1000") // microseconds, for each of the keys
	endure(t, s, fault{
		seen: func(f Failures) uint64 { return f.Refusals + f.Dials },
		begin: func(t *testing.T) {
			t.Helper()
			reloaded := make(chan struct{})
			go func() {
				defer close(reloaded)
				if _, err := s.server.CLI("DEBUG", "RELOAD"); err != nil {
					t.Errorf("DEBUG RELOAD: %v", err)
				}
			}()
			t.Cleanup(func() { <-reloaded })
		},
		mend: func(t *testing.T) {
			t.Helper()
			servertest.Eventually(t, 20*time.Second, func() bool {
				out, err := s.server.CLI("GET", "filler:1")
				return err == nil && out != ""
			}, "the server to be loaded")
		},
	})
	if err := s.redis[0].Status().Err; err == nil || !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("Status.Err = %v, want LOADING", err)
	}
}

// TestNoServer: what answers is none.
func TestNoServer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"text": "220 mail.example ESMTP\r\n", "nothing": "", "a lie": "+OK\r\n+OK\r\n+OK\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			accepting := make(chan struct{})
			go func() {
				defer close(accepting)
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					fmt.Fprint(conn, answer)
					conn.Close()
				}
			}()
			t.Cleanup(func() { ln.Close(); <-accepting })
			r, err := Dial(RedisOptions{URL: "redis://" + ln.Addr().String(), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			c := newCache(t, r, new(source), Options{})
			servertest.Eventually(t, 20*time.Second, func() bool { return r.Status().Failures.Dials > 2 }, "attempts")
			get(t, c, "k", "k@0")
		})
	}
}

// TestFailuresByKind: each failure is counted as what it is, and the log says
// what was done about it. What was not sent is none.
func TestFailuresByKind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want Failures
		text string
	}{
		"timeout":    {context.DeadlineExceeded, Failures{Timeouts: 1}, "does not answer in time; the loaders answer"},
		"refusal":    {errOOM, Failures{Refusals: 1}, "refuses commands; the loaders answer"},
		"unexpected": {errReply, Failures{Unexpected: 1}, "no server does; the loaders answer"},
		"broken":     {io.EOF, Failures{Broken: 1}, "connection to Redis is lost; the loaders answer"},
		"left":       {context.Canceled, Failures{}, ""},
		"late":       {errLate, Failures{}, ""},
		"open":       {errOpen, Failures{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			r, err := Dial(RedisOptions{Disabled: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			r.status.Enabled = true // else it is what SetEnabled has cut short, see TestSwitchOffIsNoFailure
			r.failed(test.err, loadersAnswer)
			st := r.Status()
			if st.Failures != test.want || (st.Err != nil) != (test.text != "") {
				t.Errorf("Status = %+v, want %+v", st, test.want)
			}
			if got := log.String(); !strings.Contains(got, test.text) || (got == "") != (test.text == "") {
				t.Errorf("log %q, want %q", got, test.text)
			}
		})
	}
}

// TestStorm: many callers at full speed, while Redis is killed, frozen and cut
// off in turn. It runs alone: what else keeps the processors busy would be taken
// for a wait.
func TestStorm(t *testing.T) {
	s := newStage(t, RedisOptions{})
	servertest.Eventually(t, 20*time.Second, s.well, "connections")
	w := startStorm(t, s.src, 64, 0, s.cache[:]...)
	lasts := func(what string, d time.Duration) {
		t.Helper()
		end := time.Now().Add(d)
		servertest.Eventually(t, 20*time.Second, func() bool { return time.Now().After(end) }, what)
		if d := w.longest(); d > 5*time.Second {
			t.Errorf("%s: a call took %v", what, d)
		} else {
			t.Logf("%s: the longest call took %v", what, d)
		}
	}
	lasts("before", time.Second)
	for _, f := range faults(s) {
		switch f.name {
		case "killed", "frozen", "silent", "cut off":
			f.begin(t)
			lasts(f.name, 1500*time.Millisecond)
			f.mend(t)
			mended := time.Now()
			servertest.Eventually(t, 30*time.Second, s.well, "Redis to be used again")
			t.Logf("%s: used again after %v", f.name, time.Since(mended))
			lasts("after", 500*time.Millisecond)
		}
	}
	w.checkLoads()
}
