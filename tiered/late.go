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
// about the line). Replies come in the order of commands: whatever is sent
// after that one is answered no sooner. So nobody waits on a late line, until a
// PING on it is answered within the same time (see link.revive).
type lateness struct {
	is    atomic.Bool // whether begun is closed, for a look without the lock
	mu    sync.Mutex
	begun chan struct{} // closed: the line is late
}

// errLate says that a command was not sent, because nobody would get its reply
// in time.
var errLate = errors.New("Redis has left a command without a reply, and is not asked")

// errTimeout is why a context ends that bounds a wait for Redis.
var errTimeout = errors.New("no reply within RedisOptions.Timeout")

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

// bounded returns a context for a wait for Redis. When it ends because of d,
// its cause is errTimeout.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errTimeout)
}

// overdue makes the line late.
func (l *link) overdue() {
	l.late.begin()
	l.ask()
}

// ask has supervise ask the line for a sign of life.
func (l *link) ask() {
	select {
	case l.stalled <- struct{}{}:
	default: // it is about to
	}
}
