package main

import (
	"sync"

	"github.com/coder/websocket"
)

// A socket is one open WebSocket: one conversation.
type socket struct {
	ws *websocket.Conn

	mu    sync.Mutex // held while a message is handled
	ended bool       // guarded by mu
}

// begin keeps end waiting until finish. It returns false, and finish must not
// be called, if the socket has been ended.
func (s *socket) begin() bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	return true
}

func (s *socket) finish() { s.mu.Unlock() }

// end closes the socket after the message under way, and waits for the
// client to agree, five seconds at most.
func (s *socket) end(code websocket.StatusCode, reason string) {
	s.mu.Lock()
	was := s.ended
	s.ended = true
	s.mu.Unlock()
	if !was {
		s.ws.Close(code, reason)
	}
}

// sockets are all that a node has open. The zero value is ready to use.
type sockets struct {
	mu       sync.Mutex // guards the rest
	open     map[*socket]bool
	stopping bool           // no more are added
	wg       sync.WaitGroup // counts open; Add only with mu held and not stopping
}

func (ss *sockets) add(s *socket) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.stopping {
		return false
	}
	if ss.open == nil {
		ss.open = make(map[*socket]bool)
	}
	ss.open[s] = true
	ss.wg.Add(1)
	return true
}

func (ss *sockets) remove(s *socket) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.open, s)
	ss.wg.Done()
}

// drain ends every socket and returns when all of them are over.
func (ss *sockets) drain() {
	ss.mu.Lock()
	ss.stopping = true
	var ends sync.WaitGroup
	for s := range ss.open {
		ends.Go(func() { s.end(websocket.StatusGoingAway, "the server stops") })
	}
	ss.mu.Unlock()
	ends.Wait()
	ss.wg.Wait()
}
