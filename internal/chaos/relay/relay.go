// Package relay passes a node's connections on to whichever Redis is in charge,
// and can lose the purges that Redis publishes on the way.
//
// It is the one part of a chaos run that knows Redis' protocol: a network loses
// bytes, never one message of a connection that goes on, but a proxy or a
// cluster bus may, and nothing else tells a node without tracking of a change.
package relay

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A Relay listens on a port of 127.0.0.1. Its methods may be called
// concurrently.
type Relay struct {
	listener net.Listener
	target   func() string
	channel  string // what is published there can be lost
	lossy    atomic.Bool
	lost     atomic.Int64

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Listen starts a relay. Each connection goes to the host:port that target
// returns at that time. Channel names where purges are published.
func Listen(target func() string, channel string) (*Relay, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: listener, target: target, channel: channel}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.running.Go(r.accept)
	return r, nil
}

// Addr returns 127.0.0.1:port.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Lose makes all purges disappear until [Relay.Keep].
func (r *Relay) Lose() { r.lossy.Store(true) }

// Keep ends what [Relay.Lose] began.
func (r *Relay) Keep() { r.lossy.Store(false) }

// Lost returns how many purges have disappeared.
func (r *Relay) Lost() int64 { return r.lost.Load() }

// Close ends all connections and returns when every goroutine has ended.
func (r *Relay) Close() {
	r.cancel()
	r.listener.Close()
	r.running.Wait()
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() { r.serve(client) })
	}
}

// serve passes on what the two sides of a connection say until either has
// ended it.
func (r *Relay) serve(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(r.ctx, "tcp4", r.target())
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(r.ctx, func() { client.Close(); server.Close() })()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, client) // whatever ends it, ends the connection
		server.Close()
	})
	_ = r.filter(client, server)
	client.Close()
	server.Close()
	up.Wait()
}

// filter copies what the server says, without the purges that are to be lost.
func (r *Relay) filter(to io.Writer, from io.Reader) error {
	in, out := bufio.NewReader(from), bufio.NewWriter(to)
	var buf bytes.Buffer
	for {
		buf.Reset()
		f, err := readFrame(in, &buf)
		if err != nil {
			return err
		}
		if r.lossy.Load() && f.isMessageOn(r.channel) {
			r.lost.Add(1)
		} else if _, err := out.Write(buf.Bytes()); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}
