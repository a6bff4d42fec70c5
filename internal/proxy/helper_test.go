//go:build unix

package proxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

const (
	// patience bounds a wait for what does happen.
	patience = 20 * time.Second
	// silence is how long a test watches what must not happen. On a slow
	// machine a fault of the proxy could be missed, but none is seen where
	// there is none.
	silence = 50 * time.Millisecond
)

// A backend is a server whose side of each connection the test has in hand.
type backend struct {
	net.Listener
	accepted chan net.Conn
}

// listen starts a backend on 127.0.0.1.
func listen(t *testing.T) *backend {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l)
}

func listenUnix(t *testing.T, name string) *backend {
	t.Helper()
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l)
}

func serve(t *testing.T, l net.Listener) *backend {
	t.Helper()
	b := &backend{Listener: l, accepted: make(chan net.Conn, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(b.accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.accepted <- conn
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		for conn := range b.accepted {
			conn.Close()
		}
	})
	return b
}

// next returns the server's side of the next connection.
func (b *backend) next(t *testing.T) net.Conn {
	t.Helper()
	select {
	case conn, ok := <-b.accepted:
		if !ok {
			t.Fatal("the backend has ended")
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	case <-time.After(patience):
		t.Fatal("no connection arrived at the backend")
		return nil
	}
}

// inFrontOf starts a proxy that is closed after the test.
func inFrontOf(t *testing.T, target string) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Listen(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func dial(t *testing.T, p *proxy.Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp4", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// setup returns both ends of one connection through a new proxy, which has
// carried a byte: what the proxy gives up while it dials is not reset.
func setup(t *testing.T) (p *proxy.Proxy, client *net.TCPConn, server net.Conn) {
	t.Helper()
	b := listen(t)
	p = inFrontOf(t, b.Addr().String())
	client = dial(t, p)
	server = b.next(t)
	send(t, client, "x")
	receive(t, server, "x")
	return p, client, server
}

func send(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// receive fails the test unless exactly the text comes next.
func receive(t *testing.T, from net.Conn, text string) {
	t.Helper()
	deadline(t, from, patience)
	b := make([]byte, len(text))
	n, err := io.ReadFull(from, b)
	if string(b[:n]) != text || err != nil {
		t.Fatalf("received %q, %v, want %q", b[:n], err, text)
	}
}

// receiveEnd fails the test unless the sender has orderly ended.
func receiveEnd(t *testing.T, from net.Conn) {
	t.Helper()
	deadline(t, from, patience)
	if n, err := from.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("received %d bytes, %v, want io.EOF", n, err)
	}
}

// receiveReset fails the test unless the connection is reset.
func receiveReset(t *testing.T, from net.Conn) {
	t.Helper()
	deadline(t, from, patience)
	if n, err := from.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("received %d bytes, %v, want ECONNRESET", n, err)
	}
}

// dialReset fails the test unless a new connection is reset. A fast reset can
// come before the dial returns.
func dialReset(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp4", p.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	receiveReset(t, conn)
}

// receiveNothing fails the test when anything arrives, an end included.
func receiveNothing(t *testing.T, from net.Conn) {
	t.Helper()
	deadline(t, from, silence)
	b := make([]byte, 1)
	if n, err := from.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("received %q, %v, want nothing", b[:n], err)
	}
}

func deadline(t *testing.T, conn net.Conn, after time.Duration) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(after)); err != nil {
		t.Fatal(err)
	}
}

// deadlineToWrite makes writes fail that nobody takes off.
func deadlineToWrite(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// noSessions waits until the proxy has given up every connection.
func noSessions(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	servertest.Eventually(t, patience, func() bool { return p.Sessions() == 0 }, "the sessions to end")
}
