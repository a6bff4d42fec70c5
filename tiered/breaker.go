package tiered

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// A breaker keeps flights from asking a server that answers, but fails them: it
// has no memory left, refuses this user, or is slow time and again. (One that
// does not answer at all makes the line late, and ends the link.) Each link
// begins with a closed one, as it has just proven itself.
//
// It opens when half of what flights asked within the window failed, and then
// lets a few through now and again: when all of those succeed it closes.
type breaker struct {
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
	redis   *Redis
	changed atomic.Bool  // since report last looked
	opened  atomic.Int64 // when it last ceased to be closed, in Unix nanoseconds; 0: it is closed
}

const (
	breakerWindow = 2 * time.Second
	breakerBucket = 200 * time.Millisecond // the window moves on in steps of this
	breakerAsked  = 20                     // fewer tell nothing
	breakerProbes = 3

	// It stays open for a time between these, chosen at random: what went
	// wrong for all nodes at once they do not try again at once. At most, a
	// server that recovers is used again well within a second.
	minOpen = 300 * time.Millisecond
	maxOpen = 600 * time.Millisecond
)

var errOpen = errors.New("Redis fails too often, and is not asked")

func newBreaker(r *Redis) *breaker {
	b := &breaker{redis: r}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  breakerProbes,
		Interval:     breakerWindow,
		BucketPeriod: breakerBucket,
		Timeout:      minOpen + rand.N(maxOpen-minOpen),
		ReadyToTrip: func(n gobreaker.Counts) bool {
			answered := n.TotalSuccesses + n.TotalFailures
			return answered >= breakerAsked && 2*n.TotalFailures >= answered
		},
		// It holds a lock meanwhile, so the log is written later.
		OnStateChange: func(_ string, from, to gobreaker.State) {
			b.changed.Store(true)
			if to == gobreaker.StateClosed {
				b.opened.Store(0)
			} else if from == gobreaker.StateClosed {
				b.opened.Store(time.Now().UnixNano())
			}
		},
		IsExcluded: func(err error) bool { return isUnasked(err) || errors.Is(err, context.Canceled) },
	})
	return b
}

// enter returns errOpen, or what leave wants when it is known how it went.
func (b *breaker) enter() (count func(error), err error) {
	count, err = b.circuit.Allow()
	if err != nil {
		return nil, errOpen
	}
	return count, nil
}

// leave counts the result of what entered. ctx is that of the flight: when it has
// ended, that says nothing about the server.
func (b *breaker) leave(ctx context.Context, count func(error), err error) {
	if err != nil && ctx.Err() != nil {
		err = context.Canceled
	}
	count(err)
	if b.changed.Load() {
		b.report(err)
	}
}

// openSince says since when flights are kept from asking; zero: they are not.
func (b *breaker) openSince() time.Time {
	if ns := b.opened.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// report logs a change of state.
func (b *breaker) report(err error) {
	if !b.changed.Swap(false) {
		return
	}
	switch b.circuit.State() {
	case gobreaker.StateOpen:
		b.redis.warn("tiered: Redis fails too often; the loaders answer until it does not", discreet(err))
	case gobreaker.StateClosed:
		b.redis.limited(b.redis.opts.Logger.Info, "tiered: Redis is asked again")
	}
}

// isUnasked reports whether err says that Redis was not asked, because it was
// known to be of no use.
func isUnasked(err error) bool { return errors.Is(err, errOpen) || errors.Is(err, errLate) }
