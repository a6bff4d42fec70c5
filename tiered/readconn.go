package tiered

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// A readConn is the second connection of a link. One caller at a time has it to
// himself, and sends and receives on his own goroutine: rueidis, which has many
// callers share a connection, takes two more, and a lone caller half as long again.
//
// What is read here Redis registers for it, and pushes to the first connection
// (CLIENT TRACKING with REDIRECT). Pushes and purges so remain in one order, and a
// ticket is opened before anything is read on either. But a reply from here may
// overtake a push from there; nothing relies on that it does not. A key that was
// read on both is pushed twice.
//
// Only frames at places without a tag are read here. A place with a tag, or plain JSON,
// takes two commands or a script, which carries the value through Lua; and the lease of
// who loads over what was read on both would be pushed twice, and void his ticket.
//
// That Redis does push is proven, too. When the connection is made, a key that was
// read here is written, and only once the push about it has come is anything else
// read: so both connections lead to the same server, and REDIRECT to the first.
// From then on the ticks are sent here, and heard there: as of a tick this
// connection, to which the registrations are tied, was in place as well (see
// pulse).
//
// Redis 7.0 writes a push that is redirected into the middle of the reply to MGET,
// if that is sent on the connection to which it is redirected, and one of the keys
// has just expired. So MGET is sent here only, and what many keys are asked
// for there, while somebody reads here, is a GET for each.
//
// It is lost together with the first, and never made anew. Where it cannot be had, as
// the server has no room for another client, or its memory is full, a link does
// without.
type readConn struct {
	link *link
	conn net.Conn
	turn chan struct{} // holds one while somebody uses the connection

	interrupted chan struct{} // gets one from each interrupt that has begun

	// Who has the turn uses them.
	out, in []byte // the command, and what has come of the reply
}

const (
	readBuffer     = 16 << 10 // bytes, at first
	keepReadBuffer = 1 << 20  // a larger one is not kept for the next reply
)

// openReads makes the second connection of l, whose first is ready and waits for it.
func (l *link) openReads(ctx context.Context) (*readConn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(readRounds*l.redis.dialTimeout, pingTimeout))
	defer cancel()
	conn, err := l.line.another(ctx)
	if err != nil {
		return nil, err
	}
	c := &readConn{
		link: l, conn: conn, in: make([]byte, 0, readBuffer),
		turn: make(chan struct{}, 1), interrupted: make(chan struct{}, 1),
	}
	if err := c.greet(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// readRounds is how many round trips openReads makes.
const readRounds = 4

// greet makes the connection ready, and waits for the proof that what is read on it
// is pushed to the link.
func (c *readConn) greet(ctx context.Context) error {
	l := c.link
	key := l.redirectKey
	commands := append(slices.Clone(l.redis.login),
		[]string{"CLIENT", "TRACKING", "ON", "REDIRECT", strconv.FormatInt(l.id, 10)},
		[]string{"GET", key},
		[]string{"SET", key, "", "PX", "1000"},
	)
	c.out = c.out[:0]
	for _, words := range commands {
		c.out = appendCommand(c.out, words...)
	}
	ends, _ := ctx.Deadline()
	if err := c.conn.SetDeadline(ends); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	for _, words := range commands {
		r, err := c.receive()
		if err == nil {
			err = r.err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", words[0], err)
		}
	}
	select {
	case <-l.redirected:
		return nil
	case <-ctx.Done():
		return errRedirect
	}
}

var errRedirect = errors.New("what it reads is not pushed")

// tryTake takes the turn if nobody has it.
func (c *readConn) tryTake() bool {
	select {
	case c.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

// take waits for the turn, until ctx ends or the link is closed.
func (c *readConn) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-c.link.closed:
		return errBroken
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the turn up.
func (c *readConn) leave() { <-c.turn }

// do sends a command and returns the reply, for one who has the turn. It gives it up:
// at once, or, when the time that is allowed is over or ctx ends before the reply has
// come, as soon as it has.
func (c *readConn) do(ctx context.Context, allowed time.Duration, words ...string) (reply2, error) {
	r, err := c.exchange(ctx, allowed, words)
	switch {
	case err == nil:
		c.leave()
		return r, r.err()
	case errors.Is(err, errUnanswered):
		go c.finish()
		if err := ctx.Err(); err != nil {
			return reply2{}, err
		}
		return reply2{}, context.DeadlineExceeded
	default:
		c.link.line.hangUp()
		c.leave()
		return reply2{}, err
	}
}

// errUnanswered says that the command was sent, and the reply has not come.
var errUnanswered = errors.New("no reply in time")

func (c *readConn) exchange(ctx context.Context, allowed time.Duration, words []string) (reply2, error) {
	// The write is given longer, as the connection is of no use if it was cut off, and
	// this process may be stopped before it.
	now := time.Now()
	if err := errors.Join(c.conn.SetReadDeadline(now.Add(allowed)), c.conn.SetWriteDeadline(now.Add(allowed+pingTimeout))); err != nil {
		return reply2{}, err
	}
	if len(c.in) > 0 { // which would be taken for the reply
		return reply2{}, errNotRESP
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, c.interrupt)
		defer func() {
			if !stop() {
				<-c.interrupted
			}
		}()
	}
	c.out = appendCommand(c.out[:0], words...)
	if _, err := c.conn.Write(c.out); err != nil {
		return reply2{}, err // part of the command may have been sent
	}
	r, err := c.receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errUnanswered
	}
	return r, err
}

// interrupt ends the wait for a reply.
func (c *readConn) interrupt() {
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // if it fails, so does the read
	c.interrupted <- struct{}{}
}

// finish receives the reply to a command that nobody waits for any longer. Without
// one the link is given up, as by revive.
func (c *readConn) finish() {
	defer c.leave()
	err := c.conn.SetReadDeadline(time.Now().Add(pingTimeout))
	if err == nil {
		_, err = c.receive()
	}
	if err != nil {
		c.link.line.hangUp()
	}
}

// receive returns the next reply. After an error it may be called again, and goes on
// where it was.
func (c *readConn) receive() (reply2, error) {
	for {
		_, size, err := parseReply(c.in)
		if err != nil {
			return reply2{}, err
		}
		if size > 0 {
			own := bytes.Clone(c.in[:size])
			c.drop(size)
			r, _, err := parseReply(own)
			return r, err
		}
		if len(c.in) == cap(c.in) {
			c.in = append(make([]byte, 0, 2*cap(c.in)), c.in...)
		}
		n, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		if n == 0 && err != nil {
			return reply2{}, err
		}
	}
}

// drop takes what was received off the buffer: everything, but while the connection
// is made, when several commands are sent at a time.
func (c *readConn) drop(size int) {
	rest := c.in[size:]
	if cap(c.in) > keepReadBuffer {
		c.in = make([]byte, 0, readBuffer)
	}
	c.in = append(c.in[:0], rest...)
}

// close waits until nobody uses the connection, which has been closed, and nobody
// will.
func (c *readConn) close() { c.turn <- struct{}{} }
