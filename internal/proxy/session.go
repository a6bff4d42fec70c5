package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A session is one connection of a client, with the one that the proxy makes
// to the server for it.
type session struct {
	proxy  *Proxy
	client net.Conn
	end    context.CancelFunc
	ended  chan struct{} // closed when both connections are

	finished atomic.Int32 // directions whose end has been delivered
}

// run carries bytes until ctx ends or both directions have. It closes both
// connections.
func (s *session) run(ctx context.Context) {
	server, err := s.proxy.target.dial(ctx)
	if err != nil {
		// This news comes from the server's side, as a byte would.
		s.proxy.toClient.pass(ctx, time.Now())
		reset(s.client)
		return
	}
	up, down := newPipe(&s.proxy.toServer), newPipe(&s.proxy.toClient)
	var running sync.WaitGroup
	running.Go(func() { up.receive(ctx, s.client) })
	running.Go(func() { down.receive(ctx, server) })
	running.Go(func() { s.deliver(ctx, server, up, down) })
	running.Go(func() { s.deliver(ctx, s.client, down, up) })
	<-ctx.Done()
	s.close(server)
	running.Wait()
}

// close resets both connections, unless both have come to their end: a reset
// could overtake the last bytes.
func (s *session) close(server net.Conn) {
	if s.finished.Load() == 2 {
		s.client.Close()
		server.Close()
		return
	}
	reset(s.client)
	reset(server)
}

// deliver writes what comes out of a pipe until ctx ends. When the receiver
// turns out to be gone, the pipe back is told, and the other side learns of it
// in the order of that pipe.
func (s *session) deliver(ctx context.Context, to net.Conn, p, back *pipe) {
	for {
		c, ok := p.next(ctx)
		if !ok {
			return
		}
		switch c.content {
		case data:
			if _, err := to.Write(c.bytes); err != nil {
				back.lose()
			}
		case fin:
			closeWrite(to)
			if s.finished.Add(1) == 2 {
				s.end()
			}
		case rst:
			s.end()
		}
	}
}

// closeWrite tells the receiver that nothing follows.
func closeWrite(to net.Conn) {
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // it fails when the receiver is gone
	}
}

// reset closes a connection at once. Over TCP the other end gets a reset
// instead of an orderly end, and bytes not sent yet are dropped.
func reset(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // it fails when the connection is closed already
	}
	conn.Close()
}
