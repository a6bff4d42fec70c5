package inbound

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadcache/leadsvc"
)

func conversationOf(t *testing.T, customer string) conversation {
	t.Helper()
	phone, err := leadsvc.ParsePhone(customer)
	if err != nil {
		t.Fatal(err)
	}
	return conversation{customer: phone}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	a, b := conversationOf(t, "6045550177"), conversationOf(t, "6045550178")

	t.Run("one conversation in order, another at the same time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(10)
			var mu sync.Mutex
			var order []int
			do := func(n int, takes time.Duration) func() {
				return func() {
					time.Sleep(takes)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, n)
				}
			}
			q.add(a, do(1, time.Minute))
			q.add(a, do(2, time.Second))
			q.add(a, do(3, 0))
			q.add(b, do(4, time.Second))
			q.wait()
			if want := []int{4, 1, 2, 3}; !slices.Equal(order, want) {
				t.Errorf("done in order %v, want %v", order, want)
			}
			if len(q.last) != 0 {
				t.Errorf("%d conversations are remembered, want none", len(q.last))
			}
		})
	})

	t.Run("a full queue takes no more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(2)
			release, added := make(chan struct{}), make(chan struct{})
			q.add(a, func() { <-release })
			q.add(a, func() {})
			go func() {
				defer close(added)
				q.add(b, func() {})
			}()
			synctest.Wait()
			select {
			case <-added:
				t.Error("a third was added")
			default:
			}
			close(release)
			<-added
			q.wait()
		})
	})
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	var ws warnings
	now := time.Unix(0, 0)
	for _, test := range []struct {
		text   string
		after  time.Duration
		hidden int
		ok     bool
	}{
		{"a", 0, 0, true},
		{"a", time.Second, 0, false},
		{"b", time.Second, 0, true},
		{"a", warnEvery - 1, 0, false},
		{"a", warnEvery, 2, true},
		{"a", warnEvery + 1, 0, false},
	} {
		hidden, ok := ws.pass(test.text, now.Add(test.after))
		if hidden != test.hidden || ok != test.ok {
			t.Errorf("pass(%s) after %v = %d, %t, want %d, %t", test.text, test.after, hidden, ok, test.hidden, test.ok)
		}
	}
}
