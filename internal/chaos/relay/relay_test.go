package relay_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"leadcache/internal/chaos/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	channel = "c:purge"
	purge   = ">3\r\n$7\r\nmessage\r\n$7\r\nc:purge\r\n$3\r\n1 k\r\n"
)

// setup returns the two ends of a connection through a relay.
func setup(t *testing.T) (r *relay.Relay, client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if r, err = relay.Listen(func() string { return l.Addr().String() }, channel); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if client, err = net.Dial("tcp4", r.Addr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, c := range []net.Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return r, client, server
}

func send(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// receive fails the test unless exactly the text comes next.
func receive(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v, want %q", got[:n], err, want)
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	replies := []string{
		"+OK\r\n", "-ERR no\r\n", ":12\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(123\r\n",
		"$5\r\nhe\r\no\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
		"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "%1\r\n+proto\r\n:3\r\n", "~1\r\n+x\r\n", "=6\r\ntxt:hi\r\n",
		"|1\r\n+ttl\r\n:1\r\n*1\r\n:2\r\n",
		">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", ">2\r\n$10\r\ninvalidate\r\n_\r\n",
	}
	r, client, server := setup(t)
	send(t, client, "PING\r\n")
	receive(t, server, "PING\r\n")
	send(t, server, strings.Join(replies, "")+purge)
	receive(t, client, strings.Join(replies, "")+purge)
	if r.Lost() != 0 {
		t.Errorf("Lost = %d, want 0", r.Lost())
	}
}

func TestRelayLosesPurges(t *testing.T) {
	t.Parallel()
	const (
		other = ">3\r\n$7\r\nmessage\r\n$6\r\nc:tick\r\n$1\r\nx\r\n"
		value = "*3\r\n$8\r\nanything\r\n$7\r\nc:purge\r\n$1\r\nx\r\n"
		resp2 = "*3\r\n$7\r\nmessage\r\n$7\r\nc:purge\r\n$3\r\n2 k\r\n"
	)
	r, client, server := setup(t)
	r.Lose()
	send(t, server, purge+other+resp2+value+"+end\r\n")
	receive(t, client, other+value+"+end\r\n")
	r.Keep()
	send(t, server, purge)
	receive(t, client, purge)
	if r.Lost() != 2 {
		t.Errorf("Lost = %d, want 2", r.Lost())
	}
}

func TestRelayEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(r *relay.Relay, client, server net.Conn) (other net.Conn)
	}{
		{"with the client", func(_ *relay.Relay, client, server net.Conn) net.Conn { client.Close(); return server }},
		{"with the server", func(_ *relay.Relay, client, server net.Conn) net.Conn { server.Close(); return client }},
		{"with the relay", func(r *relay.Relay, client, _ net.Conn) net.Conn { r.Close(); return client }},
		{"with what is no reply", func(_ *relay.Relay, client, server net.Conn) net.Conn {
			_, _ = io.WriteString(server, "HTTP/1.1\r\n")
			return client
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, client, server := setup(t)
			other := test.end(r, client, server)
			if _, err := io.Copy(io.Discard, other); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the other end is still open")
			}
		})
	}
}
