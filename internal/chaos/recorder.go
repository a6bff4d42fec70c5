//go:build unix

package chaos

import (
	"sync"

	"leadcache/internal/chaos/history"
	"leadcache/internal/chaos/node"
)

// A recorder makes one history of what all nodes say.
type recorder struct {
	mu      sync.Mutex // guards what follows
	history history.History
	writes  map[writeID]int // index in history.Writes
	failed  int
}

type writeID struct {
	key     string
	version int64
}

func newRecorder() *recorder { return &recorder{writes: make(map[writeID]int)} }

// observe takes a node's message.
func (r *recorder) observe(m node.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Reads = append(r.history.Reads, m.Reads...)
	r.history.Leads = append(r.history.Leads, m.Leads...)
	r.failed += m.Failed
	for _, w := range m.Writes {
		id := writeID{w.Key, w.Version}
		if i, ok := r.writes[id]; ok {
			r.history.Writes[i] = w // acknowledged by now
			continue
		}
		r.writes[id] = len(r.history.Writes)
		r.history.Writes = append(r.history.Writes, w)
	}
}
