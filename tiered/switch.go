package tiered

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// power is the switch of a Redis.
type power struct {
	// used says that Redis is or was switched on: that some of what the other
	// nodes hold may be from before a change of this one.
	used atomic.Bool

	// Plain values from before this time, in Unix milliseconds, are not
	// believed; 0: all are. It stands in for the life that they do not name.
	doubt atomic.Int64

	// Only supervise and what it calls use on: it ends when Redis is switched
	// off, and with the Redis itself.
	on context.Context

	mu   sync.Mutex // held while Redis is switched or closed; guards stop and done
	stop context.CancelFunc
	done chan struct{} // closed when supervise has returned
}

// SetEnabled switches Redis on or off while the process runs, at once. It may
// be called at any time, and as often as you like: what is so already stays so.
//
// Off, the connection is closed and none is made; who waits for Redis goes on
// without. Nothing is served from or kept in the local tiers, as nothing could
// invalidate it there. Concurrent calls for one key still share a load, of no
// longer than MaxStale. What is invalidated goes to the journal, and
// [Cache.Invalidate] returns [ErrPending], or [ErrJournalFull]: other nodes may
// be switched on. (If Redis was never on here, it keeps nothing and returns nil.)
//
// On, the connection is made in the background. Nothing that was written before
// Redis was switched off is trusted: not in the local tiers, and not in Redis,
// where a new life begins (see life.go) or has begun since; the other nodes
// follow. The journal is sent before anything is asked. A plain value, see
// [Options.PlainJSON], says neither in which life nor when it was written; the
// latter is guessed from how long it has left, so that one to which another
// program gave more time than this package would have, nine tenths of
// [Options.TTL] or a little more, is trusted too early.
//
// SetEnabled returns when the connection is closed, or before one is made. The
// error is that of [RedisOptions.Validate], if there is no URL or it is wrong,
// or [ErrClosed] after [Redis.Close].
func (r *Redis) SetEnabled(on bool) error {
	turned, err := r.turn(on)
	if turned {
		r.opts.Logger.Info("tiered: Redis is switched", "on", on) // under no lock: who knows what a Logger does
	}
	return err
}

// turn is SetEnabled, and reports whether it was not so already.
func (r *Redis) turn(on bool) (bool, error) {
	r.power.mu.Lock()
	defer r.power.mu.Unlock()
	switch {
	case r.ctx.Err() != nil:
		return false, ErrClosed
	case on == r.Status().Enabled:
		return false, nil
	case on:
		err := r.switchOn()
		return err == nil, err
	default:
		r.switchOff()
		return true, nil
	}
}

// switchOn is turn(true). power.mu is held, and supervise does not run.
func (r *Redis) switchOn() error {
	if r.client == nil {
		if err := r.makeClient(); err != nil {
			return err
		}
	}
	r.power.used.Store(true) // before doubt: what is invalidated after that is recorded
	// What was invalidated before the first time is in no journal. So whatever
	// life is found then, what was written in it may be from before that.
	if r.lives.none() || r.lives.unsettled {
		r.lives.anew = true
		r.power.doubt.Store(time.Now().UnixMilli())
	}
	r.lives.leave()
	r.switched(true, r.opts.MaxStale)
	r.start()
	return nil
}

// switchOff is turn(false). power.mu is held.
func (r *Redis) switchOff() {
	r.power.doubt.Store(time.Now().UnixMilli())
	r.switched(false, 0)
	r.power.stop() // not before its session is over, as in supervise
	<-r.power.done
}

// switched begins a session without Redis that serves nothing from before it.
func (r *Redis) switched(on bool, keepFor time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Connected {
		r.status.Since = time.Now()
	}
	r.status.Enabled, r.status.Connected, r.status.Tracking = on, false, false
	s := newSession(keepFor)
	s.floor = r.current.Load().id + 1
	r.succeedLocked(s)
}

// start runs supervise until Redis is switched off. power.mu is held, or
// nobody has r yet.
func (r *Redis) start() {
	r.power.on, r.power.stop = context.WithCancel(r.ctx) //nolint:fatcontext // of r.ctx each time, not of the last
	r.power.done = make(chan struct{})
	go r.supervise()
}

// believes reports whether f, read at a place, may be taken from Redis.
func (r *Redis) believes(f frame, at place) bool {
	return r.journal.believes(f) && (!at.plain || f.writtenAfter(r.power.doubt.Load()))
}
