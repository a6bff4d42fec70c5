package tiered

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestTakeOver: who looked leaves while the flight takes over the ticket of his look.
// One of them has it then, and no more than one: it is not left open, and not given up
// under a flight that has it. No schedule can be forced between the two, so it is a
// matter of many tries.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds = 4000
		c, g, src := lookBed(t, Options{})
		c.redis.opts.Logger = quiet
		afterRead := func() {}
		// Without a lease the ticket is not renewed, and what is loaded under one that is
		// void is not kept.
		setRemote(c.redis, failsLease{thenAfterRead{g, func() { afterRead() }}}, forever)
		var spun atomic.Int64
		for n := range rounds {
			ctx, leave := context.WithCancel(t.Context())
			leaver := leaver{ctx, func() { // the flight begins
				for range n % 61 * 20 {
					spun.Add(1)
				}
				leave()
			}}
			if afterRead = func() {}; n%8 == 0 {
				afterRead = leave
			}
			key, loads := fmt.Sprint("k", n), src.loads.Load()
			if v, err := c.Get(leaver, key); v != key+"@0" && !errors.Is(err, context.Canceled) {
				t.Fatalf("round %d: Get = %q, %v", n, v, err)
			}
			leave()
			synctest.Wait()
			if open := c.tickets.open4test(); open != 0 {
				t.Fatalf("round %d: %d tickets left open", n, open)
			}
			if src.loads.Load() > loads && locals(c, key) != 1 {
				t.Fatalf("round %d: the flight lost its ticket", n)
			}
			afterRead = func() {}
			get(t, c, key, key+"@0")
		}
	})
}

// A leaver is a context that does something when someone begins to wait for its end.
type leaver struct {
	context.Context
	then func()
}

func (l leaver) Done() <-chan struct{} {
	l.then()
	return l.Context.Done()
}

// TestEchoAfterTakeOver: the push about the lease of a flight does not void the ticket
// that it has from a look, whether it comes before the reply or while the value is
// loaded.
func TestEchoAfterTakeOver(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server, src, g := newFakeServer(), new(source), new(gate)
			r := server.redis()
			pushes := &heldPushes{receiver: r, hold: late}
			server.nodes[0].to = pushes
			intercept(r, g)
			c := newCache(t, r, src, Options{})
			key := c.place("k").key
			ticket := func() *entry[string, string] { return c.tickets.latest4test(key) }
			var looks *entry[string, string]
			g.beforeRead = func() { looks = ticket() }
			src.hook(nil, func(string) { pushes.release() })
			get(t, c, "k", "k@0")
			if looks == nil || ticket() != looks || locals(c, "k") != 1 {
				t.Errorf("late: %v: the value is not kept under the ticket of the look", late)
			}
			if st := c.Stats(); pushes.came != 1 || st.Pushes != 0 || st.Loads != 1 || st.Refused != 0 {
				t.Errorf("late: %v: %d pushes, %+v, want the echo of the lease, and nothing dropped", late, pushes.came, st)
			}
		})
	}
}

// heldPushes keeps what is pushed, while hold is set, until release.
type heldPushes struct {
	receiver
	hold bool
	keys []string
	came int
}

func (p *heldPushes) pushed(key string) {
	p.came++
	if p.hold {
		p.keys = append(p.keys, key)
		return
	}
	p.receiver.pushed(key)
}

func (p *heldPushes) release() {
	for _, key := range p.keys {
		p.receiver.pushed(key)
	}
	p.hold, p.keys = false, nil
}
