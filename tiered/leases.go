package tiered

import "sync"

// leases are the fill leases under which this node loads. While one is in place
// nobody has invalidated its key, so whoever finds it there may wait for what it
// brings, like for that of another node.
//
// That happens although flights are shared: a push ends the sharing, and it may
// be the end of the very value that the flight is to replace, of which Redis
// tells when the flight looks for it. Were the next flight to load as well, a
// key that many ask for would be loaded twice whenever it expires
// (TestOneLoadAfterExpiry).
type leases struct {
	mu   sync.Mutex
	held map[string]remote // → the connection through which it was placed
}

func (l *leases) add(lease []byte, s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[string]remote)
	}
	l.held[string(lease)] = s.remote
}

func (l *leases) remove(lease []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, string(lease))
}

// has reports whether a flight loads under that lease, with the connection that
// s has: another may be lost, and never fill.
func (l *leases) has(lease []byte, s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.held[string(lease)]
	return ok && at == s.remote
}
