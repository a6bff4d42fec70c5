package tiered

import (
	"fmt"
	"testing"
	"testing/synctest"
)

func live(l *local[string, int], tk *tickets[string, int], s *session, key string) *entry[string, int] {
	e := tk.open(place{key: key}, s)
	tk.commit(e, endless)
	if old := l.add(key, e); old != nil {
		tk.release(old)
	}
	return e
}

// here is what a hit is served from, as in Cache.get.
func here[K comparable, V any](l *local[K, V], key K, s *session, now int64) *entry[K, V] {
	return l.get(key, l.hashOf(key), s, now)
}

// freshSession returns a session whose lease does not end.
func freshSession() *session {
	s := newSession(forever)
	s.renew(endless)
	return s
}

func TestLocal(t *testing.T) {
	t.Parallel()
	s, other := freshSession(), freshSession()
	other.id = s.id + 1
	t.Run("evicts the least recently used", func(t *testing.T) {
		t.Parallel()
		l, tk := newLocal[string, int](2, EvictTwoQueue), newTickets[string, int]()
		live(l, tk, s, "a")
		live(l, tk, s, "b")
		if here(l, "a", s, 1) == nil {
			t.Fatal("a is gone")
		}
		live(l, tk, s, "c")
		if here(l, "a", s, 1) == nil || here(l, "c", s, 1) == nil || here(l, "b", s, 1) != nil {
			t.Error("want a and c kept, b evicted")
		}
		if n := tk.len(); n != 2 {
			t.Errorf("%d tickets for 2 entries", n)
		}
		var st Stats
		l.count(&st)
		if st.Evictions != 1 || st.Entries != 2 || st.LocalHits != 3 || st.Gets != 4 {
			t.Errorf("counted %+v", st)
		}
	})
	t.Run("holds no more than its limit, and tickets no more than it", func(t *testing.T) {
		t.Parallel()
		for _, policy := range []Eviction{EvictTwoQueue, EvictLRU} {
			for _, limit := range []int{1, 7, 100, 1000, 10_000} {
				l, tk := newLocal[string, int](limit, policy), newTickets[string, int]()
				for i := range 3 * limit {
					live(l, tk, s, fmt.Sprint(i))
				}
				var st Stats
				l.count(&st)
				if st.Entries > limit || tk.len() > limit {
					t.Errorf("policy %d, limit %d: %d entries, %d tickets", policy, limit, st.Entries, tk.len())
				}
				if st.Entries < limit*9/10 {
					t.Errorf("policy %d, limit %d: only %d entries", policy, limit, st.Entries)
				}
			}
		}
	})
	t.Run("keeps nothing once it is closed", func(t *testing.T) {
		t.Parallel()
		l, tk := newLocal[string, int](10, EvictTwoQueue), newTickets[string, int]()
		before := live(l, tk, s, "a")
		l.close()
		for name, end := range map[string]func(){"live": func() {}, "void": func() { tk.void("b") }} {
			e := tk.open(place{key: "b"}, s)
			tk.commit(e, endless)
			end()
			if got := l.add("b", e); got != e {
				t.Errorf("%s: add = %p, want the entry it was given, %p", name, got, e)
			}
			if l.find("b", e.hash) != nil || l.find("a", before.hash) != nil {
				t.Errorf("%s: an entry is there", name)
			}
			var st Stats
			if l.count(&st); st.Entries != 0 || st.Evictions != 0 {
				t.Errorf("%s: counted %+v", name, st)
			}
		}
	})
	t.Run("serves nothing void, expired or of another session", func(t *testing.T) {
		t.Parallel()
		l, tk := newLocal[string, int](10, EvictTwoQueue), newTickets[string, int]()
		e := live(l, tk, s, "a")
		if here(l, "a", other, 1) != nil {
			t.Error("served under another session")
		}
		e.expires.Store(5)
		if here(l, "a", s, 4) == nil || here(l, "a", s, 5) != nil {
			t.Error("want the entry up to 5, not at 5")
		}
		live(l, tk, s, "b")
		tk.void("b")
		if here(l, "b", s, 1) != nil {
			t.Error("served a void entry")
		}
	})
	t.Run("a void entry that comes late does not hide a newer one", func(t *testing.T) {
		t.Parallel()
		l, tk := newLocal[string, int](10, EvictTwoQueue), newTickets[string, int]()
		late := tk.open(place{key: "a"}, s)
		tk.commit(late, endless)
		live(l, tk, s, "a") // another flight is faster
		l.add("a", late)
		if e := here(l, "a", s, 1); e == nil || e == late {
			t.Error("the newer entry is hidden")
		}
	})
}

// TestLocalEntries: at no time are there more entries than the option allows.
func TestLocalEntries(t *testing.T) {
	t.Parallel()
	for _, policy := range []Eviction{EvictTwoQueue, EvictLRU} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 2*entriesPerShard + 1
			c := newCache(t, newFakeServer().redis(), new(source), Options{LocalEntries: limit, Eviction: policy})
			for i := range 3 * limit {
				key := fmt.Sprint(i)
				get(t, c, key, key+"@0")
				if i%7 == 0 {
					get(t, c, key, key+"@0") // some are used
				}
				if st := c.Stats(); st.Entries > limit || c.tickets.len() > limit {
					t.Fatalf("policy %d: %d entries and %d tickets after %d keys, want at most %d", policy, st.Entries, c.tickets.len(), i+1, limit)
				}
			}
		})
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	s := freshSession()
	tk := newTickets[string, int]()
	isClosed := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}

	e := tk.open(place{key: "k"}, s)
	waiting := tk.wait(e)
	if isClosed(waiting) {
		t.Error("an open ticket is void")
	}
	if !tk.void("k") || tk.void("k") {
		t.Error("want void to end the ticket once")
	}
	if !isClosed(waiting) || !isClosed(tk.wait(e)) {
		t.Error("void did not wake the one who waits")
	}
	if tk.commit(e, endless) || e.expires.Load() != 0 {
		t.Error("a void ticket was committed")
	}

	first := tk.open(place{key: "k"}, s)
	tk.open(place{key: "k"}, s)
	if tk.commit(first, endless) {
		t.Error("a replaced ticket was committed")
	}
	if isClosed(tk.wait(first)) {
		t.Error("who waits on a replaced ticket does not wait on its successor")
	}
	waitsOnSuccessor := tk.wait(first)
	tk.void("k")
	if !isClosed(waitsOnSuccessor) {
		t.Error("the end of the successor did not wake who waits on the ticket it replaced")
	}
	waiter := tk.open(place{key: "k"}, s)
	woken := tk.wait(waiter)
	second := tk.open(place{key: "k"}, s)
	if isClosed(woken) || isClosed(tk.wait(second)) {
		t.Error("a new ticket woke those who wait for news of the key")
	}
	tk.release(first)
	if !tk.commit(second, 7) || second.expires.Load() != 7 {
		t.Error("releasing a replaced ticket ended its successor")
	}
	if !isClosed(woken) {
		t.Error("the answer did not wake those who wait for it")
	}
	tk.void("k")
	if second.expires.Load() != 0 {
		t.Error("void left a live entry")
	}
	echoing := tk.open(place{key: "k"}, s)
	tk.expectEcho(echoing)
	if !tk.echo("k") || tk.echo("k") || !tk.commit(echoing, endless) {
		t.Error("want one echo let through, the second push not")
	}
	late := tk.open(place{key: "k"}, s)
	tk.expectEcho(late)
	tk.commit(late, endless)
	if tk.echo("k") {
		t.Error("a live entry took a push for an echo")
	}
	tk.void("k")

	tk.open(place{key: "other"}, s)
	tk.release(tk.open(place{key: "other"}, s))
	if n := tk.len(); n != 0 {
		t.Errorf("%d tickets left", n)
	}
}
