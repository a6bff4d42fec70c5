package tiered

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// A patientConn makes one write of what many are about to ask. A system call that
// sends something costs several times as much as all that is done for a command
// besides, and rueidis writes as soon as there is one.
//
// Where many have just got their replies, most of them are ready to run, and ask
// for something else in a moment. So they are given the processor before the
// first of their commands is written, and the others go out with the next write.
// That is done only where it is worth it: where the replies that came since the
// last write are some, and the commands in flight are. And not where other
// goroutines that are ready keep the processor for themselves: when all have had
// their turn is a matter of microseconds as a rule, but of tens of milliseconds
// in a process that has too much to do.
type patientConn struct {
	net.Conn
	crowd func() int   // how many commands are in flight
	read  atomic.Int64 // bytes, since the last write

	// Only the goroutine that writes uses it.
	hurry time.Time // until then nobody is waited for
}

const (
	crowdReplies  = 1 << 10 // bytes: two leads or so
	crowdCommands = 8

	longTurn = 5 * time.Millisecond // half of what the scheduler gives one that does not let go
	inHurry  = 100                  // times as long as such a turn was
)

func (c *patientConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func (c *patientConn) Write(b []byte) (int, error) {
	if c.read.Swap(0) >= crowdReplies && c.crowd() >= crowdCommands {
		if began := time.Now(); began.After(c.hurry) {
			runtime.Gosched()
			if ended := time.Now(); ended.Sub(began) > longTurn {
				c.hurry = ended.Add(inHurry * ended.Sub(began))
			}
		}
	}
	return c.Conn.Write(b)
}
