package tiered

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Reconnecting waits between these, doubling: often enough to be back well
// within a second of a server that returns.
const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 500 * time.Millisecond

	// A connection that stood for less is no reason to hurry again.
	steady = time.Second
)

// Journalled invalidations are tried again this often while the connection
// stands, and less often when Redis refuses them.
const (
	journalRetry   = 100 * time.Millisecond
	journalRefused = 2 * time.Second

	// So many keys are tried one by one at a time. The journal gives its keys
	// in no order, so the next time others come first.
	settleSingles = 100
)

// supervise keeps a session going: one with Redis while there is a connection,
// one without while there is none.
func (r *Redis) supervise() {
	defer close(r.done)
	backoff := minBackoff
	for r.ctx.Err() == nil {
		began := time.Now()
		l, err := r.connect()
		if err == nil {
			// Redis is trusted when the journal has been sent, except for
			// keys that stay in it.
			if r.settle(l) != nil {
				r.wakeUp()
			}
			r.settleIn(l.claimed)
			r.connected(l)
			err = r.watch(l)
			if time.Since(began) > steady {
				backoff = minBackoff
			}
		}
		r.disconnected(err)
		if l != nil {
			l.close() // not before its session is over: rueidis makes a push of it
		}
		pause(r.ctx, backoff/2+rand.N(backoff/2))
		backoff = min(2*backoff, maxBackoff)
	}
}

// watch returns when l is lost, or r is closed. Meanwhile it sends what the
// journal gathers, and looks after commands that were not answered in time.
func (r *Redis) watch(l *link) error {
	ctx, stop := context.WithCancel(r.ctx)
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		l.heartbeat(ctx)
	}()
	defer func() {
		stop()
		<-beats
	}()
	var retry <-chan time.Time // nil: nothing to send that was not tried
	for {
		select {
		case err := <-l.broken:
			return cmp.Or(err, errBroken)
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-l.stalled:
			if err := l.revive(r.ctx); err != nil {
				return fmt.Errorf("no answer: %w", discreet(err))
			}
		case <-r.wake:
			if retry == nil { // else one that comes every moment would put it off for ever
				retry = time.After(journalRetry)
			}
		case <-retry:
			retry = nil
			switch err := r.settle(l); {
			case isAbandoned(err):
				return fmt.Errorf("no answer: %w", err) // for as long as revive waits
			case isRefusal(err):
				retry = time.After(journalRefused)
			case err != nil:
				retry = time.After(journalRetry)
			}
		}
	}
}

var errBroken = errors.New("the connection was lost")

// settle sends the journal's invalidations. What Redis refuses stays there,
// and this node does not ask Redis for it.
func (r *Redis) settle(l *link) error {
	keys, mark := r.journal.snapshot()
	delivered, singles := 0, settleSingles
	defer func() {
		if delivered > 0 {
			r.opts.Logger.Info("tiered: pending invalidations delivered", "keys", delivered)
		}
	}()
	var refused error
	for some := range slices.Chunk(keys, batchKeys) {
		err := r.deliver(l, some, mark)
		if err == nil {
			delivered += len(some)
			continue
		}
		if !isRefusal(err) {
			return err
		}
		for one := range slices.Chunk(some, 1) { // one key may be why all were refused
			if singles--; singles < 0 {
				return refused
			}
			switch err := r.deliver(l, one, mark); {
			case err == nil:
				delivered++
			case isRefusal(err):
				refused = err
			default:
				return err
			}
		}
	}
	return refused
}

func (r *Redis) deliver(l *link, keys []string, mark uint64) error {
	err := l.deliver(r.ctx, keys)
	if err == nil {
		r.journal.settle(keys, mark)
	}
	return err
}

// record puts keys into the journal and reports whether all found room.
func (r *Redis) record(keys []string) bool {
	room := r.journal.add(keys)
	r.failures[failureJournalled].Add(uint64(len(keys)))
	r.wakeUp()
	return room
}

func (r *Redis) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default: // supervise knows already
	}
}

func (r *Redis) connected(l *link) {
	r.mu.Lock()
	r.beginLocked(l)
	r.status.Connected, r.status.Tracking, r.status.Since = true, l.tracked, time.Now()
	r.mu.Unlock()
	r.opts.Logger.Info("tiered: connected to Redis", "tracking", l.tracked)
}

func (r *Redis) disconnected(err error) {
	r.mu.Lock()
	was := r.status.Connected
	r.countLoss(was)
	first := was || r.status.Err == nil
	r.status.Connected, r.status.Tracking = false, false
	if was {
		r.status.Since = time.Now()
		r.beginLocked(nil) // once: a new one would drop what the last may serve
	}
	if err != nil && r.ctx.Err() == nil {
		r.status.Err = err
	}
	r.mu.Unlock()
	if first && r.ctx.Err() == nil {
		r.opts.Logger.Warn("tiered: no connection to Redis; asking the loaders until it is back", "err", err)
	}
}

// countLoss counts the loss of a connection that was in use, or one that could
// not be made; not what Close ends.
func (r *Redis) countLoss(inUse bool) {
	switch {
	case r.ctx.Err() != nil:
	case inUse:
		r.failures[failureLost].Add(1)
	default:
		r.failures[failureDial].Add(1)
	}
}

// restart begins a new session on l, if l is the current session's: entries of
// the old one are not served any more.
func (r *Redis) restart(l *link, why error) {
	r.mu.Lock()
	ours := r.current.Load().remote == remote(l)
	if ours {
		r.beginLocked(l)
	}
	r.mu.Unlock()
	if ours {
		r.warn("tiered: the local tiers are dropped", why)
	}
}

var errForgotten = errors.New("Redis has forgotten what this node holds (FLUSHALL, or the connection is lost)")

// renew extends the freshness lease of the current session, if that is on l.
func (r *Redis) renew(l *link) {
	if s := r.current.Load(); s.remote == remote(l) {
		s.renew(l.pulse.lease.Load())
	}
}

// beginLocked makes a session on l, or without Redis if l is nil, the current
// one. r.mu is held.
func (r *Redis) beginLocked(l *link) {
	s := newSession(r.opts.MaxStale)
	s.id = r.current.Load().id + 1
	if l != nil {
		s.remote, s.life, s.tracked, s.keepFor = l, l.life, l.tracked, forever
		s.renew(l.pulse.lease.Load())
	}
	old := r.current.Swap(s)
	close(old.over)
}

// pause waits for d, or for ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
