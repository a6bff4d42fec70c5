package proxy

import "time"

// A Direction says which of the bytes on a connection a fault is for.
type Direction int

// The directions, and Both of them.
const (
	ToServer Direction = 1 << iota
	FromServer
	Both = ToServer | FromServer
)

// Cut resets every connection, frozen or not, at the client and at the server,
// and returns when that is done. Bytes still held are lost. Connections made
// from then on are forwarded. One whose dial has returned at the client, but
// over which nothing has come back from the server, may be among those; or it
// is given up while the proxy dials, and the server sees an orderly end.
func (p *Proxy) Cut() {
	p.mu.Lock()
	cut := make([]*session, 0, len(p.sessions))
	for s := range p.sessions {
		s.end()
		cut = append(cut, s)
	}
	p.mu.Unlock()
	for _, s := range cut {
		<-s.ended
	}
}

// Refuse resets new connections as soon as they are made, until
// [Proxy.Restore]. Those that are open go on.
//
// A dial may still succeed, and the first read or write fail. To have all
// dials refused, the port would have to be given up, and another process, or a
// client's own dial, could take it meanwhile.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = true
}

// Restore ends what [Proxy.Refuse] began.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
}

// Freeze holds all bytes that travel in direction d, and the ends of
// connections with them, until [Proxy.Thaw]. Nothing sent after Freeze has
// returned passes; what was sent before may still.
func (p *Proxy) Freeze(d Direction) {
	p.each(d, func(g *gate) { g.set(func() { g.frozen = true }) })
}

// Thaw lets pass, in order, what [Proxy.Freeze] holds in direction d. A delay
// has gone on meanwhile.
func (p *Proxy) Thaw(d Direction) {
	p.each(d, func(g *gate) { g.set(func() { g.frozen = false }) })
}

// Delay makes every byte that travels in direction d arrive the given time
// after the proxy has read it, and in order. It replaces the delay before, also
// for bytes on their way; zero or less is none. A connection can carry 16 MiB
// per delay.
func (p *Proxy) Delay(d Direction, by time.Duration) {
	p.each(d, func(g *gate) { g.set(func() { g.delay = by }) })
}

func (p *Proxy) each(d Direction, do func(*gate)) {
	if d&ToServer != 0 {
		do(&p.toServer)
	}
	if d&FromServer != 0 {
		do(&p.toClient)
	}
}
