package tiered

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// dialer makes the connections of one link at a time, and none for anyone
// else: rueidis must not reconnect behind the session's back.
type dialer struct {
	base func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)

	mu   sync.Mutex
	ctx  context.Context // ends when the link is not wanted any more
	line *line           // what the link being made will own; nil: dial nothing
}

// A line is the network connections of a link: that of rueidis, or two where the
// server speaks RESP2 and pub/sub needs its own, and that of its readConn.
type line struct {
	traffic *traffic // set before the first connection

	mu    sync.Mutex
	conns []net.Conn
	hung  bool

	dial func(context.Context) (net.Conn, error) // set by the first connection, for others like it
}

// hangUp closes the connections at once: whoever waits on them, for a reply
// that a frozen server will not send, gets an error.
func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns, l.hung = nil, true
}

func (l *line) add(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hung {
		c.Close()
	}
	l.conns = append(l.conns, c)
}

// use says whose connections are made from now on, until ctx ends; nil:
// nobody's.
func (d *dialer) use(ctx context.Context, l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx, d.line = ctx, l
}

var errNoDial = errors.New("tiered: no connection wanted")

// dial is rueidis.ClientOption.DialCtxFn.
func (d *dialer) dial(ctx context.Context, addr string, nd *net.Dialer, cfg *tls.Config) (net.Conn, error) {
	d.mu.Lock()
	line, wanted := d.line, d.ctx
	d.mu.Unlock()
	if line == nil {
		return nil, errNoDial
	}
	ctx, cancel := endsWith(ctx, wanted)
	defer cancel()
	line.dial = func(ctx context.Context) (net.Conn, error) { return d.connect(ctx, addr, nd, cfg) }
	conn, err := line.another(ctx)
	if err != nil {
		return nil, err
	}
	return newPatientConn(conn, line.traffic), nil
}

// another makes one more connection of the line. The first time, its dial has been set.
func (l *line) another(ctx context.Context) (net.Conn, error) {
	conn, err := l.dial(ctx)
	if err == nil {
		l.add(conn)
	}
	return conn, err
}

func (d *dialer) connect(ctx context.Context, addr string, nd *net.Dialer, cfg *tls.Config) (net.Conn, error) {
	switch {
	case d.base != nil: // unix://
		return d.base(ctx, addr, nd, cfg)
	case cfg != nil:
		td := tls.Dialer{NetDialer: nd, Config: cfg}
		return td.DialContext(ctx, "tcp", addr)
	default:
		return nd.DialContext(ctx, "tcp", addr)
	}
}
