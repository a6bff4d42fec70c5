package tiered

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

// linked returns a link to a server of the test's own, which nobody else uses.
func linked(t *testing.T, srv *server.Redis, o RedisOptions) (*Redis, *link) {
	t.Helper()
	if o.URL == "" {
		o.URL = srv.URL()
	}
	r := dial(t, o)
	l := r.current.Load().remote.(*link)
	if l.reads == nil {
		t.Fatal("there is no second connection")
	}
	return r, l
}

// lastRead returns the last command of the second connection of l, as its server
// names it.
func lastRead(t *testing.T, srv *server.Redis, l *link) string {
	t.Helper()
	list, err := srv.CLI("CLIENT", "LIST")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(list) {
		if strings.Contains(line, fmt.Sprintf(" redir=%d ", l.id)) {
			_, after, _ := strings.Cut(line, " cmd=")
			cmd, _, _ := strings.Cut(after, " ")
			return cmd
		}
	}
	return ""
}

// TestReadsHere: who is alone reads on the second connection; the rest, and who
// comes while the first is in use, share that.
func TestReadsHere(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t, "--requirepass", "pass")
	r, l := linked(t, srv, RedisOptions{URL: strings.TrimSuffix(srv.URL(), "/0") + "/3?client_name=reader", MaxStale: time.Hour})
	servertest.Eventually(t, 30*time.Second, func() bool { // a tick may come between
		wantRead(t, l, "k", "")
		return lastRead(t, srv, l) == "get"
	}, "GET on the second connection")
	list, err := srv.CLI("CLIENT", "LIST")
	if err != nil || strings.Count(list, "name=reader ") != 2 || strings.Count(list, " db=3 ") != 2 {
		t.Errorf("the connections are not both named, and of database 3: %v\n%s", err, list)
	}

	servertest.Eventually(t, 30*time.Second, func() bool { return lastRead(t, srv, l) == "eval" }, "a tick, though the lease is an hour")
	l.late.begin()
	if _, _, err := l.read(t.Context(), place{key: "k"}); !errors.Is(err, errLate) {
		t.Errorf("read on a late line = %v, want errLate", err)
	}
	if got := l.readMany(t.Context(), []place{{key: "k"}}); !errors.Is(got[0].err, errLate) {
		t.Errorf("readMany on a late line = %v, want errLate", got[0].err)
	}
	l.late.end()

	srv.Pause() // what is sent now is not answered
	l.reads.turn <- struct{}{}
	waits := make(chan error)
	go func() {
		_, _, err := l.read(context.Background(), place{key: "k"})
		waits <- err
	}()
	servertest.Eventually(t, 30*time.Second, func() bool { return len(l.slots) == 1 }, "a read on the first connection, as the second is in use")
	<-l.reads.turn
	go func() {
		_, _, err := l.read(context.Background(), place{key: "k"})
		waits <- err
	}()
	servertest.Eventually(t, 30*time.Second, func() bool { return len(l.slots) == 2 }, "another, as that is in use as well")
	srv.Resume()
	for range 2 {
		if err := <-waits; err != nil {
			t.Error(err)
		}
	}
	if r.current.Load().remote != remote(l) {
		t.Error("the link was given up")
	}
}

// TestReadConnLost: Redis pushes nothing about what was read on a connection that is
// gone. While nobody reads, the next tick finds out.
func TestReadConnLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0") // from Redis
	before := f.rb.current.Load()
	if before.remote.(*link).reads == nil {
		t.Fatal("there is no second connection")
	}
	f.src.change()
	f.cli(t, "CLIENT", "KILL", "TYPE", "normal")
	f.cli(t, "DEL", "k") // pushed to nobody
	sees(t, f.b, "k", "k@1")
	anotherSession(t, f.rb, before)
	connected(t, f.rb)
	f.src.change()
	f.cli(t, "DEL", "k")
	sees(t, f.b, "k", "k@2")
}

// TestNoReadConn: what the server does not give is done without.
func TestNoReadConn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	list, err := f.server.CLI("CLIENT", "LIST")
	if err != nil {
		t.Fatal(err)
	}
	// What connects now finds room for one more, the first, and the one that the
	// test itself uses for a moment.
	f.cli(t, "CONFIG", "SET", "maxclients", strconv.Itoa(strings.Count(list, "\n")))
	var log lockedBuffer
	r := dial(t, RedisOptions{URL: f.server.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if r.current.Load().remote.(*link).reads != nil {
		t.Fatal("there is a second connection")
	}
	if !strings.Contains(log.String(), "no second connection") {
		t.Errorf("the log does not say so: %s", log.String())
	}
	c := newCache(t, r, f.src, Options{})
	get(t, c, "k", "k@0")
	for i, got := range c.GetMany(t.Context(), []string{"k", "l"}) {
		if want := []string{"k@0", "l@0"}[i]; got.Err != nil || got.Value != want {
			t.Errorf("GetMany = %q, %v, want %q", got.Value, got.Err, want)
		}
	}
	if err := f.ra.current.Load().remote.(*link).client.Do(t.Context(), f.ra.client.B().ConfigSet().ParameterValue().ParameterValue("maxclients", "100").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	f.src.change()
	f.cli(t, "DEL", "k")
	sees(t, c, "k", "k@1")
}

// TestMGETOfExpired: Redis 7.0 pushes what has expired into the middle of the reply to
// MGET on the connection that hears of it.
func TestMGETOfExpired(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t, "--enable-debug-command", "yes")
	if _, err := srv.CLI("DEBUG", "SET-ACTIVE-EXPIRE", "0"); err != nil {
		t.Fatal(err)
	}
	r, l := linked(t, srv, RedisOptions{})
	rec := newRecorder()
	if err := r.enroll("recorder", rec); err != nil {
		t.Fatal(err)
	}
	for name, with := range map[string]place{"framed": {key: "z"}, "in use": {key: "z"}, "with a tag": {key: "z", tag: "tag"}, "plain": {key: "z", plain: true}} {
		t.Run(name, func(t *testing.T) {
			places := []place{{key: name + " a"}, {key: name + " b"}, {key: name + " c"}, with}
			for _, at := range places[:3] {
				if _, err := srv.CLI("SET", at.key, "x", "PX", "500"); err != nil {
					t.Fatal(err)
				}
				wantRead(t, l, at.key, "x") // on the second connection
			}
			if _, err := srv.CLI("PERSIST", places[2].key); err != nil {
				t.Fatal(err)
			}
			if _, err := srv.CLI("DEBUG", "SLEEP", "0.6"); err != nil { // until their time has ended
				t.Fatal(err)
			}
			if name == "in use" {
				l.reads.turn <- struct{}{}
			}
			replies := l.readMany(t.Context(), places)
			if name == "in use" {
				l.reads.leave()
			}
			if len(replies) != 4 || replies[1].held != nil || string(replies[2].held) != "x" || errors.Join(replies[0].err, replies[1].err, replies[2].err, replies[3].err) != nil {
				t.Errorf("readMany = %+v, want nothing, nothing, x, nothing", replies)
			}
			if err := l.hearOut(t.Context()); err != nil {
				t.Fatal(err)
			}
			if pushes, _ := rec.count(places[1].key); pushes == 0 {
				t.Error("no push of what has expired")
			}
		})
	}
	if r.current.Load().remote != remote(l) {
		t.Error("the link was given up")
	}
}

// TestSilentFirst: ticks are sent on the second connection and tell of the first.
func TestSilentFirst(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	p := inFront(t, srv)
	l := unwatched(t, dial(t, RedisOptions{URL: "redis://" + p.Addr(), MaxStale: time.Hour, Timeout: 100 * time.Millisecond}))
	if err := reopenReads(t, l, new(net.Dialer).DialContext, srv.Addr()); err != nil {
		t.Fatal(err)
	}
	p.Freeze(proxy.FromServer)
	ctx, stop := context.WithCancel(t.Context())
	var beats sync.WaitGroup
	beats.Go(func() { l.heartbeat(ctx) })
	servertest.Eventually(t, 30*time.Second, l.late.now, "the line to be late")
	stop()
	beats.Wait()
}

// TestKeptAfterReload: what was loaded over a value that was read on both connections is
// kept here, though it is pushed twice; what has changed meanwhile is not.
func TestKeptAfterReload(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	writer := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	r := dial(t, RedisOptions{Prefix: prefix, MaxStale: time.Hour})
	c := newCache(t, r, src, Options{})
	l := r.current.Load().remote.(*link)
	reload := func(t *testing.T, key string) {
		t.Helper()
		get(t, writer, key, key+"@0")
		get(t, c, key, key+"@0")
		l.reads.turn <- struct{}{}
		_, _, err := l.read(t.Context(), c.place(key)) // on the first connection
		l.reads.leave()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.GetWithin(t.Context(), key, 0); err != nil || got != key+"@0" {
			t.Fatalf("GetWithin = %q, %v", got, err)
		}
	}
	t.Run("unchanged", func(t *testing.T) {
		for i := range 20 {
			key := strconv.Itoa(i)
			reload(t, key)
			before := c.Stats().LocalHits
			get(t, c, key, key+"@0")
			if c.Stats().LocalHits == before {
				t.Fatal("nothing is kept here")
			}
		}
	})
	t.Run("changed after it was put into Redis", func(t *testing.T) {
		g := &gate{}
		g.afterFill = func(string) {
			src.change()
			if err := writer.Invalidate(t.Context(), "k"); err != nil {
				t.Error(err)
			}
			if err := g.hearOut(t.Context()); err != nil {
				t.Error(err)
			}
		}
		get(t, writer, "k", "k@0")
		intercept(r, g)
		if got, err := c.GetWithin(t.Context(), "k", 0); err != nil || got != "k@0" {
			t.Fatalf("GetWithin = %q, %v", got, err)
		}
		g.afterFill = nil
		get(t, c, "k", "k@1")
	})
}

// TestLogin: the second connection gives the same credentials as rueidis for the first,
// which a server without passwords takes.
func TestLogin(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "user", "on", "nopass", "~*", "&*", "+@all"); err != nil {
		t.Fatal(err)
	}
	for _, credentials := range []string{"", ":pw@", "default:pw@", "user:pw@", "user:@"} {
		t.Run(credentials, func(t *testing.T) {
			linked(t, srv, RedisOptions{URL: "redis://" + credentials + srv.Addr()})
		})
	}
}

// TestReadRefused: what Redis refuses on the second connection is a refusal, and no
// reason to give that up.
func TestReadRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	r, l := linked(t, srv, RedisOptions{MaxStale: time.Hour})
	if _, err := srv.CLI("ACL", "SETUSER", "default", "-mget"); err != nil {
		t.Fatal(err)
	}
	l.reads.turn <- struct{}{}
	got := l.mgetHere(t.Context(), []place{{key: "k"}})
	if err := got[0].err; !isRefusal(err) || errors.Is(err, errReply) {
		t.Errorf("MGET, refused: %v, want a refusal", err)
	}
	if r.current.Load().remote != remote(l) {
		t.Error("the link was given up")
	}
}
