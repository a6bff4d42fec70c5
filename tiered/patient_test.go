package tiered

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatientConn: what many ask is held back until replies to what was sent before
// come, or until it is as much as that, but not for long; and what few ask is not.
func TestPatientConn(t *testing.T) {
	t.Parallel()
	const many = 2 * manyCommands
	for _, c := range []struct {
		name     string
		inFlight int
		reply    time.Duration // after which replies come; 0: none do
		fresh    int           // how many commands come after maxHold / 2
		want     time.Duration // that the write takes
	}{
		{"few commands in flight", manyCommands - 1, 0, 0, 0},
		{"many, and replies", many, maxHold / 4, 0, maxHold / 4},
		{"many, and no replies", many, 0, 0, maxHold},
		{"as many more", many, 0, many / 2, maxHold / 2},
		{"fewer more", many, 0, many/2 - 1, maxHold},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				replies := make(repliesOnly)
				traffic := newTraffic(func() int { return c.inFlight })
				conn := newPatientConn(replies, traffic)
				go func() {
					for {
						if _, err := conn.Read(nil); err != nil {
							return
						}
					}
				}()
				defer close(replies)
				for range 3 {
					for range many {
						traffic.add() // what is to be sent now, and is not to end the hold
					}
					replies <- struct{}{} // late ones, about what was sent before
					synctest.Wait()
					if c.reply > 0 {
						time.AfterFunc(c.reply, func() { replies <- struct{}{} })
					}
					time.AfterFunc(maxHold/2, func() {
						for range c.fresh {
							traffic.add()
						}
					})
					began := time.Now()
					if _, err := conn.Write(nil); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took != c.want {
						t.Errorf("the write took %v, want %v", took, c.want)
					}
					time.Sleep(maxHold)
				}
			})
		})
	}
	t.Run("as many more while it was written", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var traffic *traffic
			n := 0
			traffic = newTraffic(func() int {
				if n++; n == 1 { // the first look at it, after the write
					for range manyCommands {
						traffic.fresh.Add(1)
					}
				}
				return 2 * manyCommands
			})
			conn := newPatientConn(make(repliesOnly), traffic)
			began := time.Now()
			if _, err := conn.Write(nil); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("the write took %v", took)
			}
		})
	})
}

// A repliesOnly is a connection that takes what is written, and from which can be read what
// is sent on it, until it is closed.
type repliesOnly chan struct{}

func (w repliesOnly) Read([]byte) (int, error) {
	if _, ok := <-w; !ok {
		return 0, net.ErrClosed
	}
	return 1, nil
}

func (w repliesOnly) Write(b []byte) (int, error)      { return len(b), nil }
func (w repliesOnly) Close() error                     { return nil }
func (w repliesOnly) LocalAddr() net.Addr              { return nil }
func (w repliesOnly) RemoteAddr() net.Addr             { return nil }
func (w repliesOnly) SetDeadline(time.Time) error      { return nil }
func (w repliesOnly) SetReadDeadline(time.Time) error  { return nil }
func (w repliesOnly) SetWriteDeadline(time.Time) error { return nil }
