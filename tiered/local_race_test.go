package tiered

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// Readers take no lock while entries come, go, and are voided beside them. None
// is handed the value of another key, an older value than one it has seen
// before, or one that had been voided when it began to look.
func TestLocalUnlocked(t *testing.T) {
	t.Parallel()
	const keys, room, rounds = 64, 24, 30_000
	l, tk, s := newLocal[int, int](room, EvictTwoQueue), newTickets[int, int](), freshSession()
	l.mask = 3                    // long chains
	var voided [keys]atomic.Int64 // the latest version that was
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			for i := range rounds {
				k := (i*7 + w) % keys
				if k%2 != w { // each key has one writer
					continue
				}
				e := tk.open(place{key: fmt.Sprint(k)}, s)
				e.value = k + keys*(i+1)
				tk.commit(e, endless)
				if old := l.add(k, e); old != nil {
					tk.release(old)
				}
				if i%3 == 0 {
					tk.void(fmt.Sprint(k))
					voided[k].Store(int64(e.value))
				}
			}
		})
	}
	var hits atomic.Int64
	for r := range 3 {
		readers.Go(func() {
			var seen [keys]int
			for i := r; !done.Load(); i++ {
				k := i % keys
				least := voided[k].Load()
				e := here(l, k, s, 1)
				if e == nil {
					continue
				}
				hits.Add(1)
				switch v := e.value; {
				case v%keys != k:
					t.Errorf("asked for %d, got a value of %d", k, v%keys)
					return
				case int64(v) <= least:
					t.Errorf("key %d: got version %d, void since before the look-up", k, v/keys)
					return
				case v < seen[k]:
					t.Errorf("key %d: got version %d after %d", k, v/keys, seen[k]/keys)
					return
				default:
					seen[k] = v
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if hits.Load() == 0 {
		t.Error("no reader found anything")
	}
}
