package tiered

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// filled returns a local tier with n entries of session s.
func filled(s *session, n int) *local[int, int] {
	l, tk := newLocal[int, int](10*n, EvictTwoQueue), newTickets[int, int]()
	for i := range n {
		e := tk.open(place{key: fmt.Sprint(i)}, s)
		tk.commit(e, endless)
		l.add(i, e)
	}
	return l
}

// served counts the entries that l serves at the monotonic time now.
func served(l *local[int, int], s *session, n int, now int64) (count int) {
	for i := range n {
		if here(l, i, s, now) != nil {
			count++
		}
	}
	return count
}

// What a session filled stops little by little between its end and that of its
// lease, and no later.
func TestRemnantIsSpread(t *testing.T) {
	t.Parallel()
	const n = 10_000
	before := newSession(forever)
	before.id = 7
	before.renew(2000)
	l := filled(before, n)
	s := newSession(forever)
	s.id = 8
	s.renew(endless) // the lease of the session that follows is none of theirs
	s.inherit(before, 1000)
	for _, tc := range []struct {
		now  int64
		want float64 // share that is served
	}{{1000, 1}, {1250, 0.75}, {1500, 0.5}, {1750, 0.25}, {2000, 0}, {endless, 0}} {
		got := float64(served(l, s, n, tc.now)) / n
		if math.Abs(got-tc.want) > 0.03 {
			t.Errorf("at %d %.1f%% are served, want %.0f%%", tc.now, 100*got, 100*tc.want)
		}
	}
	other := newLocal[int, int](1, EvictTwoQueue)
	if m := (remnant{7, 1000, 2000}); m.stops(math.MaxUint64) > m.until || m.stops(0) != m.ended {
		t.Errorf("an entry stops at %d to %d", m.stops(0), m.stops(math.MaxUint64))
	} else if l.seed == other.seed {
		t.Error("two caches, or nodes, have the same shares")
	}
}

// Sessions that follow each other within MaxStale leave their remnants to the
// next; the oldest are given up when there are many.
func TestRemnantsAddUp(t *testing.T) {
	t.Parallel()
	first := newSession(forever)
	first.renew(1000)
	last := first
	for i := range int64(maxRemnants) {
		if last.id > 0 && !last.serves(0, math.MaxUint64, 500) {
			t.Fatalf("after %d sessions the first is forgotten", last.id)
		}
		s := newSession(forever)
		s.id = last.id + 1
		s.renew(1000 + i)
		s.inherit(last, 10+i)
		last = s
	}
	s := newSession(forever)
	s.inherit(last, 500)
	if s.serves(0, math.MaxUint64, 500) || !s.serves(last.id, math.MaxUint64, 500) || len(s.past) != maxRemnants {
		t.Errorf("of %d sessions %v is left", last.id, s.past)
	}
	late := newSession(forever)
	late.inherit(s, 2000)
	if len(late.past) != 0 {
		t.Errorf("%v is left after the leases ended", late.past)
	}
}

// loseRedis begins a session of r without Redis, as when its connection is
// lost with a lease that holds for left.
func loseRedis(r *Redis, left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current.Load().renew(after(r.clock.now(), left))
	r.beginLocked(nil)
}

// News voids what an earlier session filled, whoever it is from.
func TestNewsEndsRemnant(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(r *Redis){
		"a push":                   func(r *Redis) { r.pushed("k") },
		"a purge":                  func(r *Redis) { r.purged("k") },
		"this node's invalidation": func(r *Redis) { r.invalidated("k") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, src := newFakeServer().redis(), new(source)
				c := newCache(t, r, src, Options{})
				get(t, c, "k", "k@0")
				loseRedis(r, time.Second)
				get(t, c, "k", "k@0")
				if n := c.Stats().LocalHits; n != 1 {
					t.Fatalf("%d local hits, want 1: nothing is tested", n)
				}
				src.change()
				tell(r)
				get(t, c, "k", "k@1")
			})
		})
	}
}

// A bound tighter than MaxStale holds for what an earlier session filled.
func TestRemnantWithin(t *testing.T) {
	t.Parallel()
	const n, maxStale = 1000, time.Second
	synctest.Test(t, func(t *testing.T) {
		r, src := newFakeServer().redis(), new(source)
		c := newCache(t, r, src, Options{})
		for i := range n {
			get(t, c, fmt.Sprint(i), fmt.Sprint(i, "@0"))
		}
		loseRedis(r, maxStale) // right as of now
		src.change()
		old := func(bound time.Duration) (count int) {
			for i := range n {
				s, now := r.current.Load(), r.clock.now()
				if here(c.local, fmt.Sprint(i), s, after(now, maxStale-bound)) != nil {
					count++
				}
			}
			return count
		}
		time.Sleep(maxStale / 4)
		if got := old(maxStale / 4); got != 0 {
			t.Errorf("%d entries are served under a bound that is over", got)
		}
		if got := old(maxStale / 2); got < n/5 || got > 3*n/10 {
			t.Errorf("%d of %d entries are served under half of MaxStale, want the quarter that stops last", got, n)
		}
		if v, err := c.GetWithin(t.Context(), "1", maxStale/5); v != "1@1" || err != nil {
			t.Errorf("GetWithin = %q, %v, want the new value", v, err)
		}
	})
}

// What was loaded without Redis ends within MaxStale of its load, whatever
// sessions come.
func TestAloneOutlivesItsSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, src := newFakeServer().redis(), new(source)
		c := newCache(t, r, src, Options{})
		setRemote(r, nil, time.Second)
		get(t, c, "k", "k@0")
		src.change()
		time.Sleep(900 * time.Millisecond)
		loseRedis(r, 0)
		get(t, c, "k", "k@0")
		time.Sleep(100 * time.Millisecond)
		get(t, c, "k", "k@1")
	})
}

// A node that loses its connection, or whose server is flushed, does not ask
// for all that it holds at once.
func TestNoBurst(t *testing.T) {
	t.Parallel()
	const keys, maxStale = 2000, 20 * time.Second
	for name, fault := range map[string]func(*testing.T, *fleet){
		"connection lost": func(t *testing.T, f *fleet) { t.Helper(); lose(t, f.ra) },
		"FLUSHALL": func(t *testing.T, f *fleet) {
			t.Helper()
			before := f.ra.current.Load()
			f.cli(t, "FLUSHALL")
			anotherSession(t, f.ra, before)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, maxStale)
			all := func() {
				for i := range keys {
					get(t, f.a, fmt.Sprint(i), fmt.Sprint(i, "@0"))
				}
			}
			all()
			before := f.a.Stats()
			fault(t, f)
			all()
			st := f.a.Stats()
			if asked := st.Flights - before.Flights; asked > keys/2 { // a quarter would do on the slowest of days
				t.Errorf("%d of %d keys were looked for again at once", asked, keys)
			}
		})
	}
}
