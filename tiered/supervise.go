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
// one without while there is none. It returns when Redis is switched off, or r
// is closed.
func (r *Redis) supervise() {
	defer close(r.power.done)
	backoff := minBackoff
	for r.power.on.Err() == nil {
		began := time.Now()
		l, err := r.connect()
		if err == nil {
			// Redis is trusted when the journal has been sent, except for
			// keys that stay in it.
			if r.settle(l) != nil {
				r.wakeUp()
			}
			r.lives.settleIn(l.claimed)
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
		pause(r.power.on, backoff/2+rand.N(backoff/2))
		backoff = min(2*backoff, maxBackoff)
	}
}

// watch returns when l is lost, or Redis is switched off, or r is closed. Meanwhile it sends what the
// journal gathers, and looks after commands that were not answered in time.
func (r *Redis) watch(l *link) error {
	ctx, stop := context.WithCancel(r.power.on)
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
		case <-r.power.on.Done():
			return r.power.on.Err()
		case <-l.stalled:
			if err := l.revive(r.power.on); err != nil {
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
		select {
		case <-l.stalled: // watch is busy here
			if err := l.revive(r.power.on); err != nil {
				return err
			}
		default:
		}
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
	err := l.deliver(r.power.on, keys)
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
	signal(r.wake) // or supervise knows already
}

func (r *Redis) connected(l *link) {
	r.mu.Lock()
	enabled := r.status.Enabled // else it was switched off meanwhile (TestSwitchedOffWhileConnecting)
	if enabled {
		r.beginLocked(l)
		r.status.Connected, r.status.Tracking, r.status.Since = true, l.tracked, time.Now()
	}
	r.mu.Unlock()
	if !enabled {
		return
	}
	r.limited(r.opts.Logger.Info, "tiered: connected to Redis", "tracking", l.tracked)
}

func (r *Redis) disconnected(err error) {
	r.mu.Lock()
	was := r.status.Connected
	r.countLoss(was)
	r.status.Connected, r.status.Tracking = false, false
	if was {
		r.status.Since = time.Now()
		r.beginLocked(nil) // once: a new one would drop what the last may serve
	}
	if err != nil && r.power.on.Err() == nil {
		r.status.Err = err
	}
	r.mu.Unlock()
	if r.power.on.Err() == nil {
		r.warn("tiered: no connection to Redis; asking the loaders until it is back", err)
	}
}

// countLoss counts the loss of a connection that was in use, or one that could
// not be made; not what Close or SetEnabled ends.
func (r *Redis) countLoss(inUse bool) {
	switch {
	case r.power.on.Err() != nil:
	case inUse:
		r.failures[failureLost].Add(1)
	default:
		r.failures[failureDial].Add(1)
	}
}

// restart begins a new session on l, if l is the current session's: what the
// old one filled is given up.
func (r *Redis) restart(l *link, why error) {
	r.mu.Lock()
	ours := r.current.Load().remote == remote(l)
	if ours {
		r.beginLocked(l)
	}
	r.mu.Unlock()
	if ours {
		r.warn("tiered: what the local tiers hold is given up, all of it within MaxStale", why)
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
	if l != nil {
		s.remote, s.life, s.tracked, s.keepFor = l, l.life, l.tracked, forever
		s.renew(l.pulse.lease.Load())
	}
	s.inherit(r.current.Load(), r.clock.now())
	r.succeedLocked(s)
}

// succeedLocked makes s the current session. r.mu is held.
func (r *Redis) succeedLocked(s *session) {
	old := r.current.Load()
	s.id = old.id + 1
	r.current.Store(s)
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
