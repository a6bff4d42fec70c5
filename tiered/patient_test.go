package tiered

import (
	"net"
	"runtime"
	"sync/atomic"
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

// TestPatientConnFullBuffer: a command that is cut off where the buffer ends is not held
// in the middle, nor is what came before it forgotten.
func TestPatientConnFullBuffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(func() int { return 2 * manyCommands })
		conn := newPatientConn(make(repliesOnly), traffic)
		traffic.add()
		began := time.Now()
		if _, err := conn.Write(make([]byte, connBuffer)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the write took %v", took)
		}
		if n := traffic.fresh.Load(); n != 1 {
			t.Errorf("%d commands wait, want 1", n)
		}
	})
}

// TestPatientConnOfTwo: of two connections of one link, replies on one do not end the hold
// of the other.
func TestPatientConnOfTwo(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{"the same": maxHold / 4, "the other": maxHold} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				traffic := newTraffic(func() int { return 2 * manyCommands })
				writes := newPatientConn(make(repliesOnly), traffic)
				reads := newPatientConn(readsOf{before: func() {}}, traffic)
				if name == "the same" {
					writes.Conn, reads = reads.Conn, writes
				}
				time.AfterFunc(maxHold/4, func() { _, _ = reads.Read(make([]byte, 1)) })
				began := time.Now()
				if _, err := writes.Write(nil); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("the write took %v, want %v", took, want)
				}
			})
		})
	}
}

// TestPatience: where it takes long to get the processor back, nobody is waited for, for
// a while.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p patience
		waits := func(turn time.Duration) bool {
			waited := false
			p.wait(func() { waited = true; time.Sleep(turn) })
			return waited
		}
		for range 3 {
			if !waits(longWait) || !waits(longWait+1) {
				t.Error("it does not wait")
			}
			if waits(0) {
				t.Error("it waits again after a long wait")
			}
			time.Sleep(noneForWait * (longWait + 1))
		}
		waits(time.Hour) // it was stopped
		if time.Sleep(maxLost - 1); waits(0) {
			t.Error("it waits again within maxLost")
		}
		if time.Sleep(time.Nanosecond); !waits(0) {
			t.Error("it does not wait after maxLost")
		}
	})
}

// TestPatientConnInABusyProcess: a write is not held when that took long.
func TestPatientConnInABusyProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := newPatientConn(make(repliesOnly), newTraffic(func() int { return 2 * manyCommands }))
		conn.writer.wait(func() { time.Sleep(longWait + 1) })
		began := time.Now()
		if _, err := conn.Write(nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the write took %v", took)
		}
	})
}

// TestPatientConnYields: who got a reply has a turn before the next is looked for, where
// few wait for one and there seems to be no more to read.
func TestPatientConnYields(t *testing.T) { // not parallel: it is about the one processor
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct {
		name             string
		inFlight, buffer int
		lost             time.Time
		want             bool
	}{
		{"few in flight", manyCommands - 1, 2, time.Time{}, true},
		{"one in flight", 1, 2, time.Time{}, true},
		{"none: news", 0, 2, time.Time{}, false},
		{"many in flight", manyCommands, 2, time.Time{}, false},
		{"more to read", manyCommands - 1, 1, time.Time{}, false},
		{"a turn took long", manyCommands - 1, 2, time.Now().Add(time.Hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const tries = 20 // the scheduler takes turns of its own now and then
			turns := 0
			for range tries {
				var turn atomic.Bool
				replies := readsOf{before: func() {
					if turn.Load() {
						turns++
					}
				}}
				conn := newPatientConn(replies, newTraffic(func() int { return c.inFlight }))
				conn.reader.lost = c.lost
				b := make([]byte, c.buffer)
				_, _ = conn.Read(b)
				done := make(chan struct{})
				go func() {
					turn.Store(true)
					close(done)
				}()
				_, _ = conn.Read(b)
				<-done
			}
			if got := turns > tries/2; got != c.want {
				t.Errorf("the other goroutine came first in %d of %d tries", turns, tries)
			}
		})
	}
}

// A readsOf is a connection that calls a function in each Read, and reads one byte.
type readsOf struct {
	repliesOnly
	before func()
}

func (r readsOf) Read([]byte) (int, error) {
	r.before()
	return 1, nil
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
