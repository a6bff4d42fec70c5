package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// acceptPause is how long the proxy waits after it could not accept, which
// happens when the process has too many files open. Arbitrary.
const acceptPause = 10 * time.Millisecond

// A Proxy forwards connections to a server. It is made by [Listen] or
// [InFront]. Its methods may be called concurrently; after Close they do
// nothing.
type Proxy struct {
	target   address
	listener net.Listener
	toServer gate
	toClient gate

	cancel  context.CancelFunc
	running sync.WaitGroup // accepting, and every session

	mu       sync.Mutex // guards what follows
	sessions map[*session]struct{}
	refusing bool
}

// Listen starts a proxy in front of target, which is host:port or the absolute
// path of a Unix socket. The server need not run: it is dialed for each
// connection, and when that fails the connection is reset.
//
// The error does not repeat the target, which may by mistake hold a password.
func Listen(target string) (*Proxy, error) {
	to, err := parseAddress(target)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return listen(to)
}

func listen(target address) (*Proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		target: target, listener: listener, cancel: cancel,
		toServer: newGate(), toClient: newGate(), sessions: make(map[*session]struct{}),
	}
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

// Addr returns 127.0.0.1:port, where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close stops listening, resets all connections and returns when every
// goroutine of the proxy has ended. Bytes still held are lost.
func (p *Proxy) Close() {
	p.listener.Close()
	p.cancel()
	p.running.Wait()
}

// accept takes connections until ctx ends.
func (p *Proxy) accept(ctx context.Context) {
	for ctx.Err() == nil {
		client, err := p.listener.Accept()
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		p.admit(ctx, client)
	}
}

// admit starts a session for a client, unless the proxy refuses.
func (p *Proxy) admit(ctx context.Context, client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		reset(client)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{proxy: p, client: client, end: cancel, ended: make(chan struct{})}
	p.sessions[s] = struct{}{}
	p.running.Go(func() {
		defer close(s.ended)
		defer p.forget(s)
		defer cancel()
		s.run(ctx)
	})
}

func (p *Proxy) forget(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
}
