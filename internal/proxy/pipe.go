package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// chunkSize is as much as is read at once. Arbitrary: Redis and Postgres
	// both read and write about as much.
	chunkSize = 16 << 10
	// maxChunks is how many are held in each direction of a connection. When
	// they are all small, what comes next waits in the kernel and is read as
	// larger ones.
	maxChunks = 1024
)

// What a chunk carries.
type content int

const (
	data content = iota
	fin          // the sender has sent all it had to send
	rst          // the sender is gone
)

// A chunk is what the proxy has read from a connection, or learned of its end.
type chunk struct {
	content content
	read    time.Time
	bytes   []byte // of data
}

// A pipe carries chunks in one direction. One goroutine receives and another
// delivers, so that a chunk that waits delays no reading.
type pipe struct {
	gate   *gate
	chunks chan chunk
	lost   chan struct{} // closed by lose
	lose   func()        // says that writing to the sender has failed
}

func newPipe(g *gate) *pipe {
	p := &pipe{gate: g, chunks: make(chan chunk, maxChunks), lost: make(chan struct{})}
	p.lose = sync.OnceFunc(func() { close(p.lost) })
	return p
}

// receive reads until the sender is gone or ctx ends. Only closing the
// connection ends a Read.
func (p *pipe) receive(ctx context.Context, from io.Reader) {
	b := make([]byte, chunkSize)
	for {
		n, err := from.Read(b)
		if n > 0 && !p.put(ctx, chunk{content: data, bytes: bytes.Clone(b[:n])}) {
			return
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			p.put(ctx, chunk{content: fin})
			p.awaitLoss(ctx)
		}
		p.put(ctx, chunk{content: rst})
		return
	}
}

// awaitLoss waits until the sender is known to be gone. One that has sent all
// it had to send may still want to read; that it does not, only a write shows.
func (p *pipe) awaitLoss(ctx context.Context) {
	select {
	case <-p.lost:
	case <-ctx.Done():
	}
}

// put adds a chunk and notes the time. When the pipe is full it waits, and
// reports false when ctx ends first.
func (p *pipe) put(ctx context.Context, c chunk) bool {
	c.read = time.Now()
	select {
	case p.chunks <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// next waits for a chunk that may be delivered. It reports false when ctx
// ends first.
func (p *pipe) next(ctx context.Context) (chunk, bool) {
	select {
	case c := <-p.chunks:
		return c, p.gate.pass(ctx, c.read)
	case <-ctx.Done():
		return chunk{}, false
	}
}
