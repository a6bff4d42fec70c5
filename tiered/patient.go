package tiered

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// A patientConn makes one write of what many ask. A system call that sends
// something costs several times as much as all that is done for a command besides,
// for this process and for Redis, and rueidis writes as soon as there is one.
//
// While many commands are without a reply, what comes after them is held back, as
// Nagle's algorithm does: until replies come, and Redis would have nothing to do;
// or until as many wait to be sent as Redis has in hand. So Redis works on one half
// of what is asked while those who ask deal with the replies to the other half.
// Nothing is held back for longer than maxHold, but for what the timer is late, and a
// command that comes when few are under way is sent at once; then the next reply is not
// looked for before who got the last one has had a turn. News that nobody waits for is
// read on at once.
type patientConn struct {
	net.Conn
	traffic *traffic
	heard   chan struct{} // holds one when something was read since it was last empty

	// Only the goroutine that reads uses them.
	replied bool // something was read last, and it seems to have been all
	reader  patience

	// Only the goroutine that writes uses them.
	bound  *time.Timer
	writer patience
}

const (
	manyCommands = 8
	maxHold      = 100 * time.Microsecond // a timer can be late by a millisecond where nothing else is to be done
)

func newPatientConn(conn net.Conn, t *traffic) *patientConn {
	bound := time.NewTimer(maxHold)
	bound.Stop()
	return &patientConn{Conn: conn, traffic: t, heard: make(chan struct{}, 1), bound: bound}
}

func (c *patientConn) Read(b []byte) (int, error) {
	if n := c.traffic.inFlight(); c.replied && 0 < n && n < manyCommands {
		c.reader.wait(runtime.Gosched) // who got a reply need not wait until there is nothing more to read
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		signal(c.heard) // before the replies are handed out: who gets one has more to ask
	}
	c.replied = 0 < n && n < len(b)
	return n, err
}

func (c *patientConn) Write(b []byte) (int, error) {
	if len(b) >= connBuffer { // a buffer full: the command that is cut off here goes on in the next write
		return c.Conn.Write(b)
	}
	drain(c.heard) // that was about what was sent before
	c.traffic.fresh.Store(0)
	n, err := c.Conn.Write(b)
	if err == nil && c.traffic.inFlight() >= manyCommands {
		c.writer.wait(c.hold)
	}
	return n, err
}

// hold returns when what waits to be sent should be.
func (c *patientConn) hold() {
	t := c.traffic
	drain(t.half)
	t.held.Store(true)
	defer t.held.Store(false)
	if t.isHalf(t.fresh.Load()) {
		return
	}
	c.bound.Reset(maxHold)
	defer c.bound.Stop()
	select {
	case <-c.heard:
	case <-t.half:
	case <-c.bound.C:
	}
}

// patience is what one goroutine has with others: it waits for them, mostly some
// microseconds. In a process that has too much to do it can be tens of milliseconds
// until it gets the processor back, and then it does not wait again for many times as
// long, though no longer than maxLost: a process that was stopped is not busy.
type patience struct {
	lost time.Time // up to then
}

const (
	longWait    = 5 * time.Millisecond // half of what the scheduler gives one that does not let go
	noneForWait = 100                  // times as long as such a wait was
	maxLost     = 5 * time.Second      // but no longer than this
)

func (p *patience) wait(others func()) {
	began := time.Now()
	if began.Before(p.lost) {
		return
	}
	others()
	if ended := time.Now(); ended.Sub(began) > longWait {
		p.lost = ended.Add(min(noneForWait*ended.Sub(began), maxLost))
	}
}

// traffic is what a patientConn knows of the commands of its link.
type traffic struct {
	inFlight func() int    // how many have no reply
	fresh    atomic.Int32  // how many of these have come since the last write began
	held     atomic.Bool   // somebody waits for half
	half     chan struct{} // holds one when the fresh ones have become half of all
}

// newTraffic returns that of a link that counts its commands so, and calls add.
func newTraffic(inFlight func() int) *traffic {
	return &traffic{inFlight: inFlight, half: make(chan struct{}, 1)}
}

// add takes note of a command that is about to be sent.
func (t *traffic) add() {
	if t.isHalf(t.fresh.Add(1)) && t.held.Load() && t.held.Swap(false) {
		signal(t.half)
	}
}

func (t *traffic) isHalf(n int32) bool { return 2*int(n) >= t.inFlight() }

// signal makes a channel hold one, and drain none. Neither blocks.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func drain(ch <-chan struct{}) {
	select {
	case <-ch:
	default:
	}
}
