package inbound

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// serveSocket answers texts until one end closes the connection.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) error {
	if token := h.opts.SocketToken; token != "" && !hasBearer(r, token) {
		err := unauthorized("token is missing or wrong")
		h.warnings.warn("inbound: a WebSocket was refused", err)
		return err
	}
	s := &socket{Handler: h, texts: newQueue(h.opts.MaxInFlight)}
	ctx, ok := h.sockets.begin(r.Context(), s)
	if !ok {
		return &refusal{http.StatusServiceUnavailable, "the server stops"}
	}
	defer h.sockets.end(s)
	hijacked := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(hijacked, r, nil)
	if err != nil {
		return nil //nolint:nilerr // Accept has answered
	}
	s.ws, s.conn = ws, hijacked.conn
	s.serve(ctx)
	return nil
}

// A hijacker remembers the connection that it gives away. Package websocket
// reads what is left of a message without a time limit while it closes a
// connection; only a deadline of the connection itself ends that.
type hijacker struct {
	http.ResponseWriter
	conn net.Conn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, buffered, err
}

// A socket is one open WebSocket.
type socket struct {
	*Handler
	texts *queue

	ws   *websocket.Conn
	conn net.Conn // under ws
}

// serve reads and answers texts until it must not, waits for the answers under
// way, and closes the connection. The end of ctx cuts it.
func (s *socket) serve(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	s.ws.SetReadLimit(-1) // read has its own, which lets answers under way be written

	frames, ending := make(chan frame), make(chan struct{})
	read := make(chan struct{}) // closed when reading is over
	go func() {
		defer close(read)
		s.read(ctx, frames, ending)
	}()
	why := s.answerAll(ctx, frames, read)
	close(ending)
	s.texts.wait()
	if why != nil {
		s.close(why)
	}
	_ = s.ws.CloseNow() // mostly closed already
	<-read
}

// close tells the client why, and waits CloseTimeout for it to agree.
func (s *socket) close(why *websocket.CloseError) {
	// An error is that of a connection which is closed already.
	_ = s.conn.SetDeadline(time.Now().Add(s.opts.CloseTimeout))
	_ = s.ws.Close(why.Code, why.Reason)
}

// read hands on what it reads until the connection ends. After ending is
// closed it reads on, for the client's agreement to be heard. Nothing can be
// read after a message that is too big.
func (s *socket) read(ctx context.Context, frames chan<- frame, ending <-chan struct{}) {
	for {
		kind, message, err := s.ws.Reader(ctx)
		if err != nil {
			return // the client has left, or we have closed
		}
		data, err := io.ReadAll(io.LimitReader(message, maxFrame+1))
		if err != nil {
			return
		}
		select {
		case frames <- frame{kind, data}:
		case <-ending:
		}
		if len(data) > maxFrame {
			return
		}
	}
}

// answerAll returns why the connection must end, or nil if it has.
func (s *socket) answerAll(ctx context.Context, frames <-chan frame, read <-chan struct{}) *websocket.CloseError {
	idle := time.NewTimer(s.opts.IdleTimeout)
	defer idle.Stop()
	for {
		select {
		case f := <-frames:
			if refused := s.accept(ctx, f); refused != nil {
				return refused
			}
			idle.Reset(s.opts.IdleTimeout)
		case <-idle.C:
			return &websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "idle"}
		case <-s.sockets.draining:
			return &websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "the server stops"}
		case <-read:
			return nil
		}
	}
}
