package tiered

import (
	"net"
	"runtime"
	"time"
)

// A patientConn makes one write of what many ask. A system call that sends
// something costs several times as much as all that is done for a command besides,
// for this process and for Redis, and rueidis writes as soon as there is one.
//
// While many commands are without a reply, what comes after them is held back until
// replies are here, as Nagle's algorithm does: who gets them is about to ask for
// something else, and all of that goes out together. Replies are waited for no longer
// than maxHold, and then those who got them have their turn. A command that comes
// when few are under way is sent at once.
//
// A turn of all who are ready is a matter of microseconds as a rule, but of tens of
// milliseconds in a process that has too much to do. After one that was long nothing
// is held back for a while.
type patientConn struct {
	net.Conn
	crowd func() int    // how many commands are in flight
	heard chan struct{} // holds one when replies came since it was last empty

	// Only the goroutine that reads uses it.
	replies bool // have been read, and handed out by the next call of Read

	// Only the goroutine that writes uses them.
	bound *time.Timer
	hurry time.Time // until then nothing is held back
}

const (
	crowdCommands = 8
	maxHold       = 100 * time.Microsecond // or up to a millisecond, where nothing else is to be done

	longHold = 5 * time.Millisecond // half of what the scheduler gives one that does not let go
	inHurry  = 100                  // times as long as such a hold was
)

func newPatientConn(conn net.Conn, crowd func() int) *patientConn {
	bound := time.NewTimer(maxHold)
	bound.Stop()
	return &patientConn{Conn: conn, crowd: crowd, heard: make(chan struct{}, 1), bound: bound}
}

func (c *patientConn) Read(b []byte) (int, error) {
	if c.replies {
		select {
		case c.heard <- struct{}{}:
		default:
		}
	}
	n, err := c.Conn.Read(b)
	c.replies = n > 0
	return n, err
}

func (c *patientConn) Write(b []byte) (int, error) {
	select {
	case <-c.heard: // that was about what was sent before
	default:
	}
	n, err := c.Conn.Write(b)
	if err == nil && c.crowd() >= crowdCommands {
		c.hold()
	}
	return n, err
}

// hold returns when replies are here and have been handed out, and those who got
// them have had their turn.
func (c *patientConn) hold() {
	began := time.Now()
	if began.Before(c.hurry) {
		return
	}
	c.bound.Reset(maxHold)
	select {
	case <-c.heard:
		c.bound.Stop()
	case <-c.bound.C:
	}
	for was, is := 0, c.crowd(); is > was && time.Since(began) < longHold; was, is = is, c.crowd() {
		runtime.Gosched()
	}
	if took := time.Since(began); took > longHold {
		c.hurry = began.Add((1 + inHurry) * took)
	}
}
