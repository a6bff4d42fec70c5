package inbound

import (
	"context"
	"sync"
)

// sockets are all that a handler has open.
type sockets struct {
	draining chan struct{} // closed when no more are accepted

	mu   sync.Mutex                     // guards closing of draining, adding to work, and the rest
	work sync.WaitGroup                 // counts what is open
	open map[*socket]context.CancelFunc // cuts them off
}

func newSockets() sockets {
	return sockets{draining: make(chan struct{}), open: make(map[*socket]context.CancelFunc)}
}

// begin counts a socket, for which end must be called, and returns the context
// to serve it under; or false if it is too late.
func (ss *sockets) begin(ctx context.Context, s *socket) (context.Context, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	select {
	case <-ss.draining:
		return nil, false
	default:
	}
	ctx, cut := context.WithCancel(ctx)
	ss.open[s] = cut
	ss.work.Add(1)
	return ctx, true
}

func (ss *sockets) end(s *socket) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open[s]()
	delete(ss.open, s)
	ss.work.Done()
}

// drain tells every socket to end and returns when all of them are over. It
// cuts them off, and returns the error of ctx, when that ends first.
func (ss *sockets) drain(ctx context.Context) error {
	ss.mu.Lock()
	select {
	case <-ss.draining:
	default:
		close(ss.draining)
	}
	ss.mu.Unlock()
	stop := context.AfterFunc(ctx, ss.cut)
	ss.work.Wait()
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

func (ss *sockets) cut() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, cut := range ss.open {
		cut()
	}
}
