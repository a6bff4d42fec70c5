package leadsvc

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
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
	begun atomic.Bool
	done  chan struct{} // closed after value and err are set
	value T
	err   error
}

// start carries out do, on a goroutine of its own and with a context that does
// not end with that of any caller nor with close: a row that was changed must
// be invalidated. Writes that name the same lead have their turns. Somebody
// waits for it until wanted ends. If that is before there is room for it, do is
// not called.
func start[T any](wanted context.Context, by *writer, lead string, do func(context.Context) (T, error)) *write[T] {
	w := &write[T]{done: make(chan struct{})}
	if !by.begin() {
		w.err = ErrClosed
		close(w.done)
		return w
	}
	go func() {
		defer by.work.Done()
		defer close(w.done)
		w.run(wanted, by, lead, do)
	}()
	return w
}

func (w *write[T]) run(wanted context.Context, by *writer, lead string, do func(context.Context) (T, error)) {
	leave, err := by.enter(wanted, lead)
	if err != nil {
		w.err = err
		return
	}
	defer leave()
	w.begun.Store(true)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(wanted), writeTimeout)
	defer cancel()
	defer context.AfterFunc(wanted, func() { time.AfterFunc(abandonedTimeout, cancel) })()
	defer func() { // one bad row must not end the process
		if p := recover(); p != nil {
			w.err = fmt.Errorf("leadsvc: a write panicked: %w", &tiered.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	w.value, w.err = do(ctx)
}

// wait returns the outcome, or the error of ctx if that ends before. Then the
// error says whether the write had begun.
func (w *write[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-w.done:
		return w.value, w.err
	case <-ctx.Done():
	}
	var none T
	if !w.begun.Load() {
		return none, notBegun(ctx)
	}
	return none, ctx.Err()
}

func notBegun(ctx context.Context) error {
	return fmt.Errorf("leadsvc: not written, other writes are in progress: %w", ctx.Err())
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
