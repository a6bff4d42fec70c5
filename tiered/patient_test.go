package tiered

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatientConn: what many ask is held back until replies to what was sent before
// are here, but not for long, and what few ask is not.
func TestPatientConn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		crowd int
		reply time.Duration // after which replies come; 0: none do
		want  time.Duration // that the write takes
	}{
		{"few commands in flight", crowdCommands - 1, 0, 0},
		{"many, and replies", crowdCommands, maxHold / 4, maxHold / 4},
		{"many, and no replies", crowdCommands, 0, maxHold},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				replies := make(repliesOnly)
				conn := newPatientConn(replies, func() int { return c.crowd })
				go func() {
					for {
						if _, err := conn.Read(nil); err != nil {
							return
						}
					}
				}()
				defer close(replies)
				for range 3 {
					replies <- struct{}{} // late ones, about what was sent before
					synctest.Wait()
					if c.reply > 0 {
						time.AfterFunc(c.reply, func() { replies <- struct{}{} })
					}
					began := time.Now()
					if _, err := conn.Write(nil); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took != c.want {
						t.Errorf("the write took %v, want %v", took, c.want)
					}
				}
			})
		})
	}
	t.Run("where the processor is not to be had", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			conn := newPatientConn(make(repliesOnly), func() int {
				time.Sleep(longHold) // a turn of the others
				return crowdCommands
			})
			write := func() time.Duration {
				began := time.Now()
				if _, err := conn.Write(nil); err != nil {
					t.Fatal(err)
				}
				return time.Since(began)
			}
			if took := write(); took < 2*longHold {
				t.Errorf("the first write was not held back: it took %v", took)
			}
			if took := write(); took != longHold {
				t.Errorf("the second was held back, and took %v", took)
			}
			time.Sleep(4 * inHurry * longHold)
			if took := write(); took < 2*longHold {
				t.Errorf("a later one was not held back: it took %v", took)
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
