package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clientTimeout is above every limit inside a node, so that a node's own
	// error is seen rather than this one.
	clientTimeout = 15 * time.Second

	// Think time between messages: short against a human's, so that a few
	// hundred conversations make a thousand messages a second, and long
	// enough that two processors are not saturated by the generator itself.
	thinkLow, thinkHigh = 150 * time.Millisecond, 450 * time.Millisecond

	perLine = 8 // conversations at a time on one line
)

// traffic sends messages, calls and reads. It is a closed loop: each
// conversation waits for its answer before it thinks about the next message,
// so a slow fleet gets fewer requests rather than a queue of them.
type traffic struct {
	fleet  *fleet
	ledger *ledger
	done   <-chan struct{} // closed when it is time to end; messages under way are finished
	ids    atomic.Int64    // of messages and calls
}

// runTraffic sends traffic for c.duration and returns when all of it has been
// answered, or soon after ctx has ended.
func runTraffic(ctx context.Context, c config, f *fleet, l *ledger) {
	timed, cancel := context.WithTimeout(ctx, c.duration)
	defer cancel()
	t := &traffic{fleet: f, ledger: l, done: timed.Done()}
	var wg sync.WaitGroup
	for left := c.conversations; left > 0; left -= perLine {
		wg.Go(func() {
			if t.pause(rand.N(time.Second)) { // not all in one instant
				t.carry(ctx, min(left, perLine))
			}
		})
	}
	wg.Go(func() { t.bursts(ctx) })
	wg.Go(func() { t.updates(ctx) })
	wg.Go(func() { t.yardstick(ctx, c.redisURL, c.channel) })
	wg.Wait()
}

// pause waits and says whether to go on afterwards.
func (t *traffic) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.done:
		return false
	}
}

func think() time.Duration { return thinkLow + rand.N(thinkHigh-thinkLow) }

// failed notes an error, unless it only says that this run was interrupted.
func (t *traffic) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		t.ledger.failed(what + ": " + bare(err).Error())
	}
}

func (t *traffic) anyNode() *child { return t.fleet.nodes[rand.N(len(t.fleet.nodes))] }

// carry keeps n conversations going at a time, on one line to any node, and on
// another one should that break.
func (t *traffic) carry(ctx context.Context, n int) {
	for first := true; first || t.pause(think()); first = false {
		line, err := t.dial(ctx, t.anyNode())
		if err != nil {
			t.failed(ctx, "connect", err)
			continue
		}
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				for t.pause(think()) && !line.broken() {
					t.converse(ctx, line)
				}
			})
		}
		wg.Wait()
		line.close()
	}
}
