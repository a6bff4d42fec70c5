package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"leadcache/cmd/demo/inbound"
)

// A line is a WebSocket to one node that several conversations share. Answers
// come in whatever order, and find the message they answer by its id.
type line struct {
	conn *websocket.Conn

	mu      sync.Mutex
	waiting map[string]chan<- inbound.Answer // by id of the message; guarded by mu

	ended chan struct{} // closed when nothing can be read any more
	err   error         // why; read after ended is closed
}

// dial opens a line, which must be closed. It ends also when ctx does.
func (t *traffic) dial(ctx context.Context, n *child) (*line, error) {
	limited, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(limited, n.url(inbound.SocketPath), socketOptions(t.fleet.secrets))
	if err != nil {
		return nil, err
	}
	return openLine(ctx, conn), nil
}

func socketOptions(s secrets) *websocket.DialOptions {
	return &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + s.Socket}}}
}

func openLine(ctx context.Context, conn *websocket.Conn) *line {
	l := &line{conn: conn, waiting: make(map[string]chan<- inbound.Answer), ended: make(chan struct{})}
	go func() {
		l.err = l.receive(ctx)
		close(l.ended)
	}()
	return l
}

// close returns when no goroutine of the line is left.
func (l *line) close() {
	l.conn.Close(websocket.StatusNormalClosure, "")
	<-l.ended
}

// broken reports whether nothing can be read any more.
func (l *line) broken() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// receive hands out answers until there are no more, or one that nobody waits
// for.
func (l *line) receive(ctx context.Context) error {
	for {
		_, data, err := l.conn.Read(ctx)
		if err != nil {
			return err
		}
		var a inbound.Answer
		if err := json.Unmarshal(data, &a); err != nil {
			return err
		}
		waiting := l.take(a.ID)
		if waiting == nil {
			return errors.New("answer to no message")
		}
		waiting <- a // has room
	}
}

// take returns who waits for the answer to a message, once.
func (l *line) take(id string) chan<- inbound.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.waiting[id]
	delete(l.waiting, id)
	return waiting
}

// exchange sends a message and waits for its answer. A message may not be sent
// again before it has been answered.
func (l *line) exchange(ctx context.Context, m inbound.Text) (inbound.Answer, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return inbound.Answer{}, err
	}
	answered := make(chan inbound.Answer, 1)
	l.mu.Lock()
	l.waiting[m.ID] = answered
	l.mu.Unlock()
	defer l.take(m.ID)
	if err := l.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return inbound.Answer{}, err
	}
	select {
	case a := <-answered:
		return a, nil
	case <-l.ended:
		return inbound.Answer{}, l.err
	case <-ctx.Done():
		return inbound.Answer{}, ctx.Err()
	}
}
