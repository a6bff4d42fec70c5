//go:build unix

package node

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"leadcache/internal/chaos/history"
)

// reportEvery bounds what is lost when a node is killed.
const reportEvery = 30 * time.Millisecond

// A reporter gathers what a node saw and sends it in batches.
type reporter struct {
	mu   sync.Mutex // guards both
	next Message
	out  *json.Encoder
}

func newReporter(w io.Writer) *reporter { return &reporter{out: json.NewEncoder(w)} }

// run sends a batch now and then until ctx ends.
func (r *reporter) run(ctx context.Context) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.send(Message{})
		}
	}
}

// send sends all that was gathered, and m after it. A reader that is gone is no
// error: the node is about to end.
func (r *reporter) send(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := &r.next; len(n.Reads)+len(n.Writes)+len(n.Leads)+n.Failed > 0 {
		_ = r.out.Encode(n)
		r.next = Message{}
	}
	if m.Ready || m.Done != "" {
		_ = r.out.Encode(m)
	}
}

func (r *reporter) read(x history.Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next.Reads = append(r.next.Reads, x)
}

func (r *reporter) wrote(x history.Write) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next.Writes = append(r.next.Writes, x)
}

func (r *reporter) lead(x history.Lead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next.Leads = append(r.next.Leads, x)
}

func (r *reporter) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next.Failed++
}
