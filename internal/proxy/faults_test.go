//go:build unix

package proxy_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// A way is a direction to look at.
type way struct {
	name string
	proxy.Direction
}

var ways = []way{{"to the server", proxy.ToServer}, {"from the server", proxy.FromServer}}

// setup returns the ends of one connection through a new proxy, the sender's
// first.
func (w way) setup(t *testing.T) (p *proxy.Proxy, from, to net.Conn) {
	t.Helper()
	p, client, server := setup(t)
	if w.Direction == proxy.ToServer {
		return p, client, server
	}
	return p, server, client
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Freeze(w.Direction)
			send(t, from, "one ")
			receiveNothing(t, to)
			send(t, to, "back")
			receive(t, from, "back")
			send(t, from, "two")
			p.Thaw(w.Direction)
			receive(t, to, "one two")
		})
	}
}

func TestFreezeHoldsTheEnd(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Freeze(w.Direction)
			send(t, from, "last")
			from.Close()
			receiveNothing(t, to)
			p.Thaw(w.Direction)
			receive(t, to, "last")
			receiveEnd(t, to)
			to.Close()
			noSessions(t, p)
		})
	}
}

// TestFreezeHoldsWhatAWriteShows: the sender is gone, the proxy has noticed by
// writing to it, and still its last bytes are kept.
func TestFreezeHoldsWhatAWriteShows(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Freeze(w.Direction)
			send(t, from, "last")
			from.Close()
			// The first write that reaches the sender is answered by a reset,
			// the second fails. A starved proxy may make one of several.
			for range 3 {
				send(t, to, "anybody there?")
				receiveNothing(t, to)
			}
			p.Thaw(w.Direction)
			receive(t, to, "last")
			servertest.Eventually(t, patience, func() bool {
				_, _ = io.WriteString(to, "anybody there?") // fails in the end
				return p.Sessions() == 0
			}, "the session to end")
		})
	}
}

func TestFreezeBothAndLaterConnections(t *testing.T) {
	t.Parallel()
	b := listen(t)
	p := inFrontOf(t, b.Addr().String())
	p.Freeze(proxy.Both)
	client := dial(t, p)
	server := b.next(t)
	send(t, client, "up")
	send(t, server, "down")
	receiveNothing(t, server)
	receiveNothing(t, client)
	p.Thaw(proxy.ToServer)
	receive(t, server, "up")
	receiveNothing(t, client)
	p.Thaw(proxy.FromServer)
	receive(t, client, "down")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Delay(w.Direction, time.Hour)
			send(t, from, "one ")
			receiveNothing(t, to)
			send(t, to, "back")
			receive(t, from, "back")
			send(t, from, "two")
			p.Delay(w.Direction, 0)
			receive(t, to, "one two")
		})
	}
}

// TestDelayKeepsOrder is for sockets what TestDelayIsPipelined is for the
// clock.
func TestDelayKeepsOrder(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Delay(w.Direction, 20*time.Millisecond)
			var sent string
			for i := range 1000 {
				frame := fmt.Sprintf("%d;", i)
				send(t, from, frame)
				sent += frame
			}
			receive(t, to, sent)
		})
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	b := listen(t)
	p := inFrontOf(t, b.Addr().String())
	const connections = 3
	var ends []net.Conn
	for range connections {
		client := dial(t, p)
		server := b.next(t)
		send(t, client, "x")
		receive(t, server, "x")
		ends = append(ends, client, server)
	}
	p.Cut()
	if n := p.Sessions(); n != 0 {
		t.Errorf("%d sessions after Cut, want 0", n)
	}
	for _, end := range ends {
		receiveReset(t, end)
	}
	client := dial(t, p)
	send(t, client, "x")
	receive(t, b.next(t), "x")
}

// TestFreezeAndCut is a network that loses what is sent.
func TestFreezeAndCut(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p, from, to := w.setup(t)
			p.Freeze(w.Direction)
			send(t, from, "lost")
			receiveNothing(t, to)
			p.Cut()
			receiveReset(t, from)
			p.Thaw(w.Direction)
			receiveReset(t, to)
		})
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	b := listen(t)
	p := inFrontOf(t, b.Addr().String())
	client := dial(t, p)
	server := b.next(t)
	p.Refuse()
	dialReset(t, p)
	send(t, client, "goes on")
	receive(t, server, "goes on")
	select {
	case <-b.accepted:
		t.Error("a refused connection reached the server")
	default:
	}
	p.Restore()
	client = dial(t, p)
	send(t, client, "welcome")
	receive(t, b.next(t), "welcome")
}
