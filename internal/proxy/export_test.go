package proxy

// Sessions returns how many connections of clients the proxy has not given up.
func (p *Proxy) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}
