//go:build unix

package node

import (
	"context"
	"sync"

	"leadcache/internal/chaos/history"
	"leadcache/internal/pause"
)

// pendings are the writes whose invalidation was not acknowledged.
type pendings struct {
	mu     sync.Mutex
	writes []history.Write
}

func (p *pendings) add(w history.Write) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, w)
}

func (p *pendings) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.writes)
}

func (p *pendings) empty() bool { return p.count() == 0 }

// take removes and returns the first n.
func (p *pendings) take(n int) []history.Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.writes[:n:n]
	p.writes = p.writes[n:]
	return taken
}

// awaitDeliveries reports pending writes as acknowledged when the journal is
// seen empty. It counts them before it looks: each of those was in the journal,
// for its Invalidate had returned.
func (n *node) awaitDeliveries(ctx context.Context) {
	for pause.For(ctx, pollEvery) {
		count := n.waits.count()
		if count == 0 || n.redis.Status().Pending > 0 {
			continue
		}
		now := Now()
		for _, w := range n.waits.take(count) {
			w.Acked = now
			n.report.wrote(w)
		}
	}
}
