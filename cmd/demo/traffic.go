package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
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

	burstEvery = 400 * time.Millisecond
)

// traffic sends messages and reads. It is a closed loop: each conversation
// waits for its answer before it thinks about the next message, so a slow
// fleet gets fewer requests rather than a queue of them.
type traffic struct {
	fleet  *fleet
	ledger *ledger
	done   <-chan struct{} // closed when it is time to end; messages under way are finished
	ids    atomic.Int64    // of messages
}

// runTraffic sends traffic for c.duration and returns when all of it has been
// answered, or soon after ctx has ended.
func runTraffic(ctx context.Context, c config, f *fleet, l *ledger) {
	timed, cancel := context.WithTimeout(ctx, c.duration)
	defer cancel()
	t := &traffic{fleet: f, ledger: l, done: timed.Done()}
	var wg sync.WaitGroup
	for range c.conversations {
		wg.Go(func() {
			if t.pause(rand.N(time.Second)) { // not all in one instant
				t.converse(ctx)
			}
		})
	}
	wg.Go(func() { t.bursts(ctx) })
	wg.Go(func() { t.updates(ctx) })
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

// converse holds one conversation after the other, each on a connection of
// its own to any node.
func (t *traffic) converse(ctx context.Context) {
	for first := true; first || t.pause(think()); first = false {
		node := t.anyNode()
		from, to := t.correspondents()
		conversation, err := t.dial(ctx, node)
		if err != nil {
			t.failed(ctx, "connect", err)
			continue
		}
		for range 2 + rand.N(7) {
			if _, ok := conversation.send(ctx, from, to); !ok || !t.pause(think()) {
				break
			}
			if rand.N(3) == 0 {
				t.read(ctx, t.anyNode(), from)
			}
		}
		conversation.close()
	}
}

func (t *traffic) anyNode() *child { return t.fleet.nodes[rand.N(len(t.fleet.nodes))] }

// correspondents picks who writes to which number: one time in four someone
// new, else someone known, mostly one of the popular.
func (t *traffic) correspondents() (customer, organization) {
	if rand.N(4) > 0 {
		if k, ok := t.ledger.popular(); ok {
			for _, o := range t.ledger.organizations {
				if o.id == k.organization {
					return k.customer, o
				}
			}
		}
	}
	return t.stranger()
}

// stranger returns someone who has never written.
func (t *traffic) stranger() (customer, organization) {
	o := t.ledger.organizations[rand.N(len(t.ledger.organizations))]
	return customer{t.ledger.newPhone(), o.id}, o
}

// read reads a lead that exists.
func (t *traffic) read(ctx context.Context, n *child, c customer) {
	status, id, err := t.fleet.lead(ctx, n, c)
	switch {
	case err != nil:
		t.failed(ctx, "read", err)
	case status != http.StatusOK:
		t.ledger.failed(fmt.Sprintf("read: status %d", status))
	default:
		t.ledger.read(c, id)
	}
}

// lead reads one lead through the cache of n.
func (f *fleet) lead(ctx context.Context, n *child, c customer) (status int, id string, err error) {
	var lead struct {
		ID string `json:"id"`
	}
	status, err = f.getJSON(ctx, n, leadPath("/lead", c, nil), &lead)
	return status, lead.ID, err
}

func leadPath(path string, c customer, more url.Values) string {
	q := url.Values{"from": {c.phone}, "org": {c.organization}}
	maps.Copy(q, more)
	return path + "?" + q.Encode()
}

// bursts now and then lets someone new write to every node in the same
// instant: the nodes must agree on one lead.
func (t *traffic) bursts(ctx context.Context) {
	for t.pause(burstEvery) {
		t.burst(ctx)
	}
}

func (t *traffic) burst(ctx context.Context) {
	from, to := t.stranger()
	var connected []conversation
	defer func() {
		for _, c := range connected {
			c.close()
		}
	}()
	for _, n := range t.fleet.nodes {
		// Now every node holds the lead as absent.
		status, _, err := t.fleet.lead(ctx, n, from)
		switch {
		case err != nil:
			t.failed(ctx, "read before creation", err)
			return
		case status != http.StatusNotFound:
			t.ledger.failed(fmt.Sprintf("read before creation: status %d", status))
			return
		}
		t.ledger.readAbsent()
		c, err := t.dial(ctx, n)
		if err != nil {
			t.failed(ctx, "connect", err)
			return
		}
		connected = append(connected, c)
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range connected {
		wg.Go(func() {
			<-start
			c.send(ctx, from, to)
		})
	}
	close(start)
	wg.Wait()
	for _, n := range t.fleet.nodes {
		t.read(ctx, n, from)
	}
}
