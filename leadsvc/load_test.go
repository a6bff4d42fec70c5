package leadsvc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// A rush is callers who ask one node without end, each for a lead that is cached and
// then for one that is not.
type rush struct {
	node    *node
	cached  leadsvc.Lead
	callers int
	next    atomic.Int64 // number of the next lead that is not cached
	leads   int64        // how many of those there are
	served  atomic.Int64 // that were cached
	loaded  atomic.Int64
	refused atomic.Int64 // because the database was out
	longest atomic.Int64 // call, in nanoseconds

	stop chan struct{}
	work sync.WaitGroup
}

func (c *rush) start(t *testing.T) {
	t.Helper()
	for range c.callers {
		c.work.Go(func() {
			for c.round(t) {
				select {
				case <-c.stop:
					return
				default:
				}
			}
		})
	}
}

// round makes two calls, and says whether all is as it should be.
func (c *rush) round(t *testing.T) bool {
	t.Helper()
	started := time.Now()
	got, err := c.node.FindLeadByPhone(t.Context(), phone, defaultOrg)
	if err != nil || got != c.cached {
		t.Errorf("the cached lead = %+v, %v, want %+v", got, err, c.cached)
		return false
	}
	c.served.Add(1)
	number := c.next.Add(1) % c.leads
	_, err = c.node.FindLeadByPhone(t.Context(), numberOf(number), defaultOrg)
	switch {
	case err == nil:
		c.loaded.Add(1)
	case errors.Is(err, leadsvc.ErrUnavailable) && !errors.Is(err, leadsvc.ErrNotFound):
		c.refused.Add(1)
	default:
		t.Errorf("a lead that is not cached: %v, want it or ErrUnavailable", err)
		return false
	}
	for took := time.Since(started).Nanoseconds(); ; {
		before := c.longest.Load()
		if took <= before || c.longest.CompareAndSwap(before, took) {
			return true
		}
	}
}

func numberOf(n int64) string { return fmt.Sprint(17_000_000_000 + n) }

// Postgres stopped under load, in two ways: cached leads are served all the
// time, every call ends in bounded time, no lead that exists is said not to,
// and all is well again afterwards.
func TestPostgresStopsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]struct {
		begin, end func(testing.TB, *server.Postgres)
	}{
		"frozen": {
			func(_ testing.TB, p *server.Postgres) { p.Pause() },
			func(_ testing.TB, p *server.Postgres) { p.Resume() },
		},
		"killed": {func(_ testing.TB, p *server.Postgres) { p.Kill() }, restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := onServer(stop.begin, stop.end)(t)
			const callers, leads = 64, 50_000
			o.exec(t, `INSERT INTO leads (organization_id, phone_number, phone_number_normalized, status, sentiment)
				SELECT $1, n::text, n::text, 'new', 'neutral' FROM generate_series(17000000000, 17000000000 + $2::bigint - 1) n`,
				defaultOrg, leads)
			// The cache holds few, so that what is asked for again was evicted.
			n := o.add(t, leadsvc.Config{LocalEntries: 1000})
			servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
			c := &rush{node: n, cached: find(t, n, phone), callers: callers, leads: leads, stop: make(chan struct{})}
			c.next.Store(rand.Int64N(leads))
			c.start(t)
			defer func() {
				close(c.stop)
				c.work.Wait()
			}()
			loaded := func(count int64, what string) {
				t.Helper()
				from := c.loaded.Load()
				servertest.Eventually(t, longest, func() bool { return c.loaded.Load() >= from+count }, what)
			}
			loaded(10*callers, "leads to be loaded")

			sent, asked, served := n.db.Queries(), n.Stats()["lead"].Loads, c.served.Load()
			o.begin(t)
			out := time.Now()
			servertest.Eventually(t, longest, func() bool { return c.refused.Load() >= 2*callers && time.Since(out) > 3*time.Second },
				"every caller to be refused")
			sent, asked = n.db.Queries()-sent, n.Stats()["lead"].Loads-asked
			if sent > asked+callers { // the counters are read one after another
				t.Errorf("%d statements for %d loads, want no more than one each", sent, asked)
			}
			served = c.served.Load() - served
			if served < 2*callers {
				t.Errorf("the cached lead was served %d times meanwhile, want it served all the time", served)
			}
			t.Logf("while it was out: %d served, %d refused, %d statements; the longest call took %v",
				served, c.refused.Load(), sent, time.Duration(c.longest.Load()))
			o.end(t)
			loaded(10*callers, "leads to be loaded again")
			if took := time.Duration(c.longest.Load()); took > longest {
				t.Errorf("a call took %v, want %v or so", took, patience)
			}
		})
	}
}
