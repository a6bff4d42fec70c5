package tiered

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
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

// reopenReads replaces the second connection of l by one that d makes to another
// address. Nobody may use l meanwhile.
func reopenReads(t *testing.T, l *link, d interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}, addr string) error {
	t.Helper()
	l.line.dial = func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	reads, err := l.openReads(t.Context())
	if err == nil {
		l.reads.conn.Close()
		l.reads = reads
	}
	return err
}

// unwatched returns a link that nobody looks after.
func unwatched(t *testing.T, r *Redis) *link {
	t.Helper()
	l, err := r.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// inFront returns a proxy in front of a server.
func inFront(t *testing.T, srv *server.Redis) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Listen(srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// secondBehindProxy returns a link that nobody looks after, and the proxy that its
// second connection goes through.
func secondBehindProxy(t *testing.T, srv *server.Redis, o RedisOptions) (*link, *proxy.Proxy) {
	t.Helper()
	p := inFront(t, srv)
	o.URL = srv.URL()
	l := unwatched(t, dial(t, o))
	if err := reopenReads(t, l, new(net.Dialer), p.Addr()); err != nil {
		t.Fatal(err)
	}
	return l, p
}

// readOnSecond sends a command on the second connection, when nobody uses that.
func readOnSecond(ctx context.Context, l *link, words ...string) (reply2, error) {
	l.reads.turn <- struct{}{}
	return l.readHere(ctx, words...)
}

// givenUp waits until the link is given up.
func givenUp(t *testing.T, l *link) {
	t.Helper()
	select {
	case <-l.broken: //nolint:errcheck // why, does not matter
	case <-time.After(30 * time.Second):
		t.Error("the link is not given up")
	}
}

func wantRead(t *testing.T, l *link, key, want string) {
	t.Helper()
	held, _, err := l.read(t.Context(), place{key: key})
	if err != nil || string(held) != want || (held == nil) != (want == "") {
		t.Fatalf("read(%q) = %.20q, %v, want %.20q", key, held, err, want)
	}
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
	servertest.Eventually(t, 30*time.Second, func() bool { return f.rb.current.Load() != before }, "a new session")
	connected(t, f.rb)
	f.src.change()
	f.cli(t, "DEL", "k")
	sees(t, f.b, "k", "k@2")
}

// TestRedirectIsProven: a second connection that leads to another server takes
// REDIRECT to a connection with the number of ours, which is another's there.
func TestRedirectIsProven(t *testing.T) {
	t.Parallel()
	other := servertest.Redis(t)
	for range 50 {
		conn, err := net.Dial("tcp", other.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
	}
	r := dial(t, RedisOptions{URL: servertest.Redis(t).URL()})
	l := unwatched(t, r)
	if l.id >= 50 {
		t.Fatalf("the connection is number %d on its server, which the other may not have", l.id)
	}
	if err := reopenReads(t, l, new(net.Dialer), other.Addr()); !errors.Is(err, errRedirect) {
		t.Errorf("a connection to another server: %v, want errRedirect", err)
	}
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

// TestLateReplyHere: a reply that comes after its caller has left is not taken for that
// to the next command, wherever it was cut off.
func TestLateReplyHere(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	long := strings.Repeat("long ", readBuffer)
	for key, value := range map[string]string{"k": "v", "long": long} {
		if _, err := srv.CLI("SET", key, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, leave := range []struct {
		how     string
		timeout time.Duration
		ctx     func() (context.Context, func())
		want    error
	}{
		{"after the timeout", time.Second, func() (context.Context, func()) {
			return t.Context(), func() {}
		}, context.DeadlineExceeded},
		{"at a deadline of his own", time.Hour, func() (context.Context, func()) {
			return context.WithTimeout(t.Context(), time.Millisecond)
		}, context.DeadlineExceeded},
		{"when he is cancelled", time.Hour, func() (context.Context, func()) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
	} {
		t.Run(leave.how, func(t *testing.T) {
			l, p := secondBehindProxy(t, srv, RedisOptions{Timeout: leave.timeout})
			for _, key := range []string{"k", "long", "k"} {
				ctx, cancel := leave.ctx()
				p.Freeze(proxy.FromServer)
				if _, err := readOnSecond(ctx, l, "GET", key); !errors.Is(err, leave.want) {
					t.Fatalf("read = %v, want %v", err, leave.want)
				}
				cancel()
				if late := leave.timeout < time.Hour; l.late.now() != late {
					t.Fatalf("the line is late: %v, want %v", l.late.now(), late)
				}
				l.late.end()
				wantRead(t, l, "k", "v") // on the first connection
				if len(l.reads.turn) != 1 {
					t.Fatal("nobody waits for the reply")
				}
				p.Thaw(proxy.FromServer)
				servertest.Eventually(t, 30*time.Second, func() bool { return len(l.reads.turn) == 0 }, "the reply")
				wantRead(t, l, "long", long)
				wantRead(t, l, "k", "v")
			}
		})
	}
}

// TestSilentReadConn: a reply that never comes ends the link, and what the node holds
// is given up.
func TestSilentReadConn(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	l, p := secondBehindProxy(t, srv, RedisOptions{Timeout: 10 * time.Millisecond, MaxStale: time.Hour})
	p.Freeze(proxy.FromServer)
	if err := l.beat(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beat = %v, want DeadlineExceeded", err)
	}
	givenUp(t, l)
}

// TestSilentFirst: ticks are sent on the second connection and tell of the first.
func TestSilentFirst(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	p := inFront(t, srv)
	l := unwatched(t, dial(t, RedisOptions{URL: "redis://" + p.Addr(), MaxStale: time.Hour, Timeout: 100 * time.Millisecond}))
	if err := reopenReads(t, l, new(net.Dialer), srv.Addr()); err != nil {
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

// TestNoTimeLeft: a command for whose reply no time is left ends nothing but the call.
func TestNoTimeLeft(t *testing.T) {
	t.Parallel()
	l := unwatched(t, dial(t, RedisOptions{Prefix: newPrefix(t)}))
	for range 20 {
		if err := l.reads.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.reads.do(t.Context(), -time.Millisecond, "PING"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("do = %v, want DeadlineExceeded", err)
		}
		servertest.Eventually(t, 30*time.Second, func() bool { return len(l.reads.turn) == 0 }, "the reply")
	}
	if r, err := readOnSecond(t.Context(), l, "PING"); err != nil || string(r.text) != "PONG" {
		t.Errorf("PING = %q, %v", r.text, err)
	}
}

// TestBufferOfLongReply: a buffer as large as the largest value is not kept.
func TestBufferOfLongReply(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	l := unwatched(t, dial(t, RedisOptions{URL: srv.URL()}))
	long := strings.Repeat("long ", keepReadBuffer/2)
	if _, err := srv.CLI("SET", "long", long); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"GET", "long"}, {"PING"}} {
		if r, err := readOnSecond(t.Context(), l, words...); err != nil || (words[0] == "GET" && string(r.text) != long) {
			t.Fatalf("%d bytes, %v", len(r.text), err)
		}
	}
	if size := cap(l.reads.in); size > keepReadBuffer {
		t.Errorf("a buffer of %d bytes is kept", size)
	}
}

// TestInterruptOfThePast: the end of a caller's context does not end the wait of who
// comes after him.
func TestInterruptOfThePast(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	l, p := secondBehindProxy(t, srv, RedisOptions{})
	read := func(ctx context.Context) error {
		_, err := readOnSecond(ctx, l, "GET", "k")
		return err
	}
	t.Run("when he has his reply", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := read(ctx); err != nil {
			t.Fatal(err)
		}
		p.Freeze(proxy.FromServer)
		next := make(chan error)
		go func() { next <- read(context.Background()) }()
		servertest.Eventually(t, 30*time.Second, func() bool { return len(l.reads.turn) == 1 }, "who comes next")
		cancel()
		p.Thaw(proxy.FromServer)
		if err := <-next; err != nil {
			t.Error(err)
		}
	})
	t.Run("while the reply comes", func(t *testing.T) {
		for i := range 500 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
			if err := read(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if err := read(context.Background()); err != nil {
				t.Fatalf("who comes next: %v", err)
			}
			cancel()
		}
	})
}

// TestUnaskedReply: what nobody has asked for is not taken for the reply to what is asked
// next.
func TestUnaskedReply(t *testing.T) {
	t.Parallel()
	l := unwatched(t, dial(t, RedisOptions{Prefix: newPrefix(t)}))
	l.reads.in = append(l.reads.in, "$7\r\nother's\r\n"...)
	if held, _, err := l.read(t.Context(), place{key: "k"}); !errors.Is(err, errNotRESP) {
		t.Errorf("read = %q, %v, want errNotRESP", held, err)
	}
	givenUp(t, l)
}

// TestReadsHereOverTLS: a reply whose caller has left is awaited as well.
func TestReadsHereOverTLS(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	p := inFront(t, srv)
	front := httptest.NewUnstartedServer(nil) // for its certificate
	front.StartTLS()
	defer front.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", front.TLS.Clone())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		running.Go(func() { _, _ = io.Copy(server, client); server.Close() })
		_, _ = io.Copy(client, server)
	})
	l := unwatched(t, dial(t, RedisOptions{URL: srv.URL(), Timeout: time.Hour}))
	defer l.line.hangUp()
	d := &tls.Dialer{Config: front.Client().Transport.(*http.Transport).TLSClientConfig}
	if err := reopenReads(t, l, d, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", readBuffer)
	if _, err := srv.CLI("SET", "k", long); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantRead(t, l, "k", long)
		p.Freeze(proxy.FromServer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := readOnSecond(ctx, l, "GET", "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("read = %v, want DeadlineExceeded", err)
		}
		cancel()
		p.Thaw(proxy.FromServer)
		servertest.Eventually(t, 30*time.Second, func() bool { return len(l.reads.turn) == 0 }, "the reply")
	}
	wantRead(t, l, "k", long)
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

// TestCloseAwaitsReader: a closed link has nobody on its second connection.
func TestCloseAwaitsReader(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	l, err := dial(t, RedisOptions{URL: srv.URL()}).connect()
	if err != nil {
		t.Fatal(err)
	}
	srv.Pause()
	defer srv.Resume()
	if err := l.reads.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.reads.do(t.Context(), time.Millisecond, "PING"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	l.close() // while the reply is awaited
	for range 10_000 {
		if len(l.reads.turn) != 1 {
			t.Fatal("close did not have the turn")
		}
		runtime.Gosched()
	}
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
