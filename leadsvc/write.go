package leadsvc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"leadcache/tiered"
)

const (
	// writeTimeout bounds a write that somebody waits for, and before that the
	// wait for its turn and for a slot. It is that of a load.
	writeTimeout = 10 * time.Second

	// abandonedTimeout is what is left to a write when nobody waits for it any
	// more: what waits for a lock in the database must not hold a connection
	// for long, and what does not is done in much less.
	abandonedTimeout = 2 * time.Second
)

// A writer carries out writes, so many at a time that some of the database's
// connections are left to reads, and of each lead one at a time, so that one
// which somebody keeps locked leaves slots to the others.
type writer struct {
	turns   turns
	slots   chan struct{} // as many as writes may be carried out at once
	closing chan struct{}

	mu   sync.Mutex // guards closing of closing, and adding to work
	work sync.WaitGroup
}

func newWriter(conns int) *writer {
	return &writer{
		turns:   turns{byName: make(map[string]*turn)},
		slots:   make(chan struct{}, max(1, conns-max(1, conns/4))),
		closing: make(chan struct{}),
	}
}

// begin counts one piece of work that close waits for, unless it is too late.
func (w *writer) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed() {
		return false
	}
	w.work.Add(1)
	return true
}

// closed says whether close was called.
func (w *writer) closed() bool {
	select {
	case <-w.closing:
		return true
	default:
		return false
	}
}

// close refuses what is not being carried out yet and waits for the rest.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed() {
		close(w.closing)
	}
	w.mu.Unlock()
	w.work.Wait()
}

// A write is one change of the database and the invalidation after it.
type write[T any] struct {
	wanted context.Context // until it is begun
	begun  chan struct{}
	done   chan struct{} // closed after value and err are set
	value  T
	err    error
}

// start carries out do, on a goroutine of its own and with a context that does
// not end with that of any caller nor with close: a row that was changed must
// be invalidated. Writes that name the same lead have their turns. Somebody
// waits for it until wanted ends. If that is before there is room for it, do is
// not called.
func start[T any](wanted context.Context, by *writer, lead string, do func(context.Context) (T, error)) *write[T] {
	w := &write[T]{wanted: wanted, begun: make(chan struct{}), done: make(chan struct{})}
	if !by.begin() {
		w.err = ErrClosed
		close(w.done)
		return w
	}
	go func() {
		defer by.work.Done()
		defer close(w.done)
		w.run(by, lead, do)
	}()
	return w
}

func (w *write[T]) run(by *writer, lead string, do func(context.Context) (T, error)) {
	leave, err := by.enter(w.wanted, lead)
	if err != nil {
		w.err = err
		return
	}
	defer leave()
	close(w.begun)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.wanted), writeTimeout)
	defer cancel()
	defer context.AfterFunc(w.wanted, func() { time.AfterFunc(abandonedTimeout, cancel) })()
	defer func() { // one bad row must not end the process
		if p := recover(); p != nil {
			w.err = fmt.Errorf("leadsvc: a write panicked: %w", &tiered.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	w.value, w.err = do(ctx)
}

// wait returns the outcome, or the error of ctx if that ends before. Then the
// error says whether the write had begun; if it is wanted no longer, it begins
// at that moment or never.
func (w *write[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-w.done:
		return w.value, w.err
	case <-ctx.Done():
	}
	var none T
	if w.wanted.Err() != nil {
		select {
		case <-w.begun:
			return none, ctx.Err()
		case <-w.done:
			return w.value, w.err
		}
	}
	select {
	case <-w.begun:
		return none, ctx.Err()
	default: // others want it still
		return none, notBegun(ctx)
	}
}

// errNoTurn ends the wait for a turn and a slot. It is none of the errors of a
// context: those are about the caller's.
var errNoTurn = fmt.Errorf("no turn in %v: %w", writeTimeout, ErrOverloaded)

func notBegun(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(context.Cause(ctx), errNoTurn) {
		err = errNoTurn
	}
	return fmt.Errorf("leadsvc: not written, other writes are in progress: %w", err)
}

// finished says whether the outcome is there.
func (w *write[T]) finished() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}
