package tiered

import (
	"fmt"
	"testing"
)

func live(l *local[string, int], tk *tickets[string, int], s *session, key string) *entry[string, int] {
	e := tk.open(place{key: key}, s)
	tk.commit(e, endless)
	if old := l.add(key, e); old != nil {
		tk.release(old)
	}
	return e
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
		if l.get("a", s, 1) == nil {
			t.Fatal("a is gone")
		}
		live(l, tk, s, "c")
		if l.get("a", s, 1) == nil || l.get("c", s, 1) == nil || l.get("b", s, 1) != nil {
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
		for _, limit := range []int{1, 7, 100, 1000, 10_000} {
			l, tk := newLocal[string, int](limit, EvictTwoQueue), newTickets[string, int]()
			for i := range 3 * limit {
				live(l, tk, s, fmt.Sprint(i))
			}
			var st Stats
			l.count(&st)
			if st.Entries > limit || tk.len() > limit {
				t.Errorf("limit %d: %d entries, %d tickets", limit, st.Entries, tk.len())
			}
			if st.Entries < limit*9/10 {
				t.Errorf("limit %d: only %d entries", limit, st.Entries)
			}
		}
	})
	t.Run("serves nothing void, expired or of another session", func(t *testing.T) {
		t.Parallel()
		l, tk := newLocal[string, int](10, EvictTwoQueue), newTickets[string, int]()
		e := live(l, tk, s, "a")
		if l.get("a", other, 1) != nil {
			t.Error("served under another session")
		}
		e.expires.Store(5)
		if l.get("a", s, 4) == nil || l.get("a", s, 5) != nil {
			t.Error("want the entry up to 5, not at 5")
		}
		live(l, tk, s, "b")
		tk.void("b")
		if l.get("b", s, 1) != nil {
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
		if e := l.get("a", s, 1); e == nil || e == late {
			t.Error("the newer entry is hidden")
		}
	})
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
