package tiered

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A line is late when it left a command without a reply for all the time that
// this package gives it, or a beat (the caller's own deadline says nothing
// about the line). Replies on a connection come in the order of commands: whatever is
// sent after that one is answered no sooner. So nobody waits on a late line, until a
// PING on the first connection is answered within the same time (see link.revive).
// On the second nobody has the turn before the reply has come.
type lateness struct {
	is    atomic.Bool // whether begun is closed, for a look without the lock
	mu    sync.Mutex
	begun chan struct{} // closed: the line is late
}

// errLate says that a command was not sent, because nobody would get its reply
// in time.
var errLate = errors.New("Redis has left a command without a reply, and is not asked")

func newLateness() *lateness { return &lateness{begun: make(chan struct{})} }

// begins returns a channel that is closed when the line is, or becomes, late.
func (l *lateness) begins() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

func (l *lateness) now() bool { return l.is.Load() }

func (l *lateness) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.is.Swap(true) {
		close(l.begun)
	}
}

func (l *lateness) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is.Load() {
		l.begun = make(chan struct{})
		l.is.Store(false)
	}
}

// timedOut reports whether ctx is a limit that has ended because a wait for Redis
// was too long.
func timedOut(ctx context.Context) bool {
	l, ok := ctx.(*limit)
	return ok && l.state.Load() == limitTimedOut
}

// A limit is a context that ends after some time, or with another: what link.deadline
// returns. It is used again and again: of all that is allocated on the way to Redis,
// contexts were a quarter.
type limit struct {
	context.Context // for its values, and its end
	done            chan struct{}
	state           atomic.Int32
	timer           *time.Timer
	leave           func() bool // no more to do with Context
	end             func()      // with it
	stop            context.CancelFunc
}

// The states of a limit.
const (
	limitHolds int32 = iota
	limitTimedOut
	limitEndedFor // the context that it was made for has ended
)

// limits are those that nobody uses.
type limits struct{ sync.Pool }

// take returns a limit that ends with ctx, and after d. Its stop gives it back.
func (p *limits) take(ctx context.Context, d time.Duration) *limit {
	l, ok := p.Get().(*limit)
	if ok {
		l.timer.Reset(d)
	} else {
		l = p.make(d)
	}
	l.Context = ctx
	if ctx.Done() != nil {
		l.leave = context.AfterFunc(ctx, l.end)
	}
	return l
}

func (p *limits) make(d time.Duration) *limit {
	l := &limit{done: make(chan struct{})}
	finish := func(state int32) {
		if l.state.CompareAndSwap(limitHolds, state) {
			close(l.done)
		}
	}
	l.end = func() { finish(limitEndedFor) }
	l.stop = func() {
		again := l.timer.Stop() // else it has ended, or is about to
		if l.leave != nil {
			again = l.leave() && again
			l.leave = nil
		}
		if again {
			l.Context = nil
			p.Put(l)
		}
	}
	l.timer = time.AfterFunc(d, func() { finish(limitTimedOut) })
	return l
}

// Deadline says nothing: that of the context that l was made for would be too late,
// and nobody asks.
func (l *limit) Deadline() (time.Time, bool) { return time.Time{}, false }

func (l *limit) Done() <-chan struct{} { return l.done }

func (l *limit) Err() error {
	switch l.state.Load() {
	case limitHolds:
		return nil
	case limitTimedOut:
		return context.DeadlineExceeded
	default:
		return l.Context.Err()
	}
}

// overdue makes the line late.
func (l *link) overdue() {
	l.late.begin()
	l.ask()
}

// ask has supervise ask the line for a sign of life.
func (l *link) ask() {
	signal(l.stalled) // or it is about to
}
