package tiered

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

type dialContext func(ctx context.Context, network, addr string) (net.Conn, error)

// reopenReads replaces the second connection of l by one that d makes to another
// address. Nobody may use l meanwhile.
func reopenReads(t *testing.T, l *link, d dialContext, addr string) error {
	t.Helper()
	l.line.dial = func(ctx context.Context) (net.Conn, error) { return d(ctx, "tcp", addr) }
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
	if err := reopenReads(t, l, new(net.Dialer).DialContext, p.Addr()); err != nil {
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
	if err := reopenReads(t, l, new(net.Dialer).DialContext, other.Addr()); !errors.Is(err, errRedirect) {
		t.Errorf("a connection to another server: %v, want errRedirect", err)
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
	if err := reopenReads(t, l, d.DialContext, ln.Addr().String()); err != nil {
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
