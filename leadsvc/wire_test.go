package leadsvc_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A wire carries bytes between a node and its database, and can lose an answer
// or hold it back.
type wire struct {
	mu   sync.Mutex
	next *hold // guarded by mu; nil: everything is handed on
	work sync.WaitGroup
}

// A hold is one answer that is not handed on at once.
type hold struct {
	answer  []byte
	held    chan struct{} // closed when the answer is there
	release chan struct{} // closed by the test; nil: the answer is lost
}

// hold has the next answer with these bytes held back until it is released.
func (w *wire) hold(answer string) *hold {
	return w.expect(&hold{answer: []byte(answer), held: make(chan struct{}), release: make(chan struct{})})
}

// swallow cuts the connection over which an answer with these bytes comes, once
// and instead of handing it on.
func (w *wire) swallow(answer string) {
	w.expect(&hold{answer: []byte(answer), held: make(chan struct{})})
}

func (w *wire) expect(h *hold) *hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = h
	return h
}

func (h *hold) wait(t testing.TB) {
	t.Helper()
	select {
	case <-h.held:
	case <-time.After(soon):
		t.Fatalf("waited %v for the answer %q", soon, h.answer)
	}
}

// wireTo puts a wire before the database and its address into databaseURL.
func wireTo(t testing.TB, databaseURL *string) *wire {
	t.Helper()
	u, err := url.Parse(*databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse")
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	*databaseURL = u.String()
	w := new(wire)
	t.Cleanup(w.work.Wait) // after the nodes have closed their ends
	t.Cleanup(func() { l.Close() })
	w.work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			w.work.Go(func() { w.carry(near, far, t.Context().Done()) })
			w.work.Go(func() {
				defer far.Close()
				_, _ = io.Copy(far, near) // it ends with either end
			})
		}
	})
	return w
}

// carry hands on the answers of the database. What is held back when the test
// ends is lost.
func (w *wire) carry(near, far net.Conn, over <-chan struct{}) {
	defer near.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		if h := w.caught(buf[:n]); h != nil {
			close(h.held)
			if h.release == nil {
				return
			}
			select {
			case <-h.release:
			case <-over:
				return
			}
		}
		if _, err := near.Write(buf[:n]); err != nil {
			return
		}
	}
}

// caught returns the hold that these bytes are the answer for, if they are.
func (w *wire) caught(bytesRead []byte) *hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.next
	if h == nil || !bytes.Contains(bytesRead, h.answer) {
		return nil
	}
	w.next = nil
	return h
}
