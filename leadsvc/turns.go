package leadsvc

import (
	"context"
	"sync"
)

// turns let one write of each lead pass at a time. (The database would let one change of a row pass at a time too, but
// each that waits there has a slot and a connection. A lock_timeout would free
// them only after that, and would fail writes that have time to wait.)
type turns struct {
	mu     sync.Mutex
	byName map[string]*turn // guarded by mu; those that somebody has or waits for
}

type turn struct {
	taken chan struct{} // holds one token while a write has its turn
	users int           // who has it or waits for it; guarded by turns.mu
}

func (ts *turns) join(name string) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byName[name]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		ts.byName[name] = t
	}
	t.users++
	return t
}

func (ts *turns) leave(name string, t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.users--
	if t.users == 0 {
		delete(ts.byName, name)
	}
}

// enter waits until it is the lead's turn, then for a slot, until wanted ends or
// both have taken writeTimeout. The caller calls leave after the write.
func (w *writer) enter(wanted context.Context, lead string) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(wanted, writeTimeout, errNoTurn)
	defer cancel()
	t := w.turns.join(lead)
	if err := w.take(ctx, t.taken); err != nil {
		w.turns.leave(lead, t)
		return nil, err
	}
	if err := w.take(ctx, w.slots); err != nil {
		<-t.taken
		w.turns.leave(lead, t)
		return nil, err
	}
	return func() {
		<-w.slots
		<-t.taken
		w.turns.leave(lead, t)
	}, nil
}

// take takes one of places, unless ctx ends or the writer closes.
func (w *writer) take(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
	case <-w.closing:
		return ErrClosed
	case <-ctx.Done():
		return notBegun(ctx)
	}
	if ctx.Err() != nil { // both at once: nobody waits for it
		<-places
		return notBegun(ctx)
	}
	return nil
}
