package tiered

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Reconnecting waits between these, doubling: often enough to be back well
// within a second of a server that returns.
const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
)

// Journalled invalidations are tried again this often while the connection
// stands.
const journalRetry = 100 * time.Millisecond

// supervise keeps a session going: one with Redis while there is a connection,
// one without while there is none.
func (r *Redis) supervise() {
	defer close(r.done)
	backoff := minBackoff
	for r.ctx.Err() == nil {
		l, err := r.connect()
		if err == nil {
			err = r.settle(l)
			if err == nil {
				backoff = minBackoff
				r.connected(l)
				err = r.watch(l)
			}
			l.close()
		}
		r.disconnected(err)
		pause(r.ctx, backoff/2+rand.N(backoff/2))
		backoff = min(2*backoff, maxBackoff)
	}
}

// watch returns when l is lost, or r is closed. Meanwhile it sends what the
// journal gathers.
func (r *Redis) watch(l *link) error {
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case err := <-l.broken:
			return cmp.Or(err, errBroken)
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-r.wake:
			retry.Reset(journalRetry)
		case <-retry.C:
			if r.settle(l) != nil {
				retry.Reset(journalRetry)
			}
		}
	}
}

var errBroken = errors.New("the connection was lost")

// settle sends the journal's invalidations.
func (r *Redis) settle(l *link) error {
	for {
		keys, mark := r.journal.batch(batchKeys)
		if len(keys) == 0 {
			return nil
		}
		if err := l.invalidate(r.ctx, keys); err != nil {
			return err
		}
		r.journal.settle(keys, mark)
	}
}

// record puts keys into the journal and reports whether all found room.
func (r *Redis) record(keys []string) bool {
	room := r.journal.add(keys)
	select {
	case r.wake <- struct{}{}:
	default: // supervise knows already
	}
	return room
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
	first := was || r.status.Err == nil
	r.beginLocked(nil)
	r.status.Connected, r.status.Tracking = false, false
	if was {
		r.status.Since = time.Now()
	}
	if err != nil && r.ctx.Err() == nil {
		r.status.Err = err
	}
	r.mu.Unlock()
	if first && r.ctx.Err() == nil {
		r.opts.Logger.Warn("tiered: no connection to Redis; asking the loaders until it is back", "error", err)
	}
}

// restart begins a new session on l, if l is the current session's: entries of
// the old one are not served any more.
func (r *Redis) restart(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current.Load().remote == remote(l) {
		r.beginLocked(l)
	}
}

// beginLocked makes a session on l, or without Redis if l is nil, the current
// one. r.mu is held.
func (r *Redis) beginLocked(l *link) {
	s := newSession(r.opts.MaxStale)
	if l != nil {
		s.remote, s.life, s.tracked, s.keepFor = l, l.life, l.tracked, forever
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
