package tiered

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

const evictionRoom = 1000

// shares returns what part of the asks a tier of that policy answers, with room for
// evictionRoom, when what it misses is added.
func shares(policy Eviction, key func(i int) int) float64 {
	const asks = 50_000
	l, tk, s := newLocal[int, int](evictionRoom, policy), newTickets[int, int](), freshSession()
	hits := 0
	for i := range asks {
		if k := key(i); here(l, k, s, 1) != nil {
			hits++
		} else {
			liveInt(l, tk, s, k)
		}
	}
	return float64(hits) / float64(asks)
}

func liveInt(l *local[int, int], tk *tickets[int, int], s *session, key int) *entry[int, int] {
	e := tk.open(place{key: fmt.Sprint(key)}, s)
	tk.commit(e, endless)
	if old := l.add(key, e); old != nil {
		tk.release(old)
	}
	return e
}

func TestEviction(t *testing.T) {
	t.Parallel()
	t.Run("a scan evicts little of what is in use", func(t *testing.T) {
		t.Parallel()
		const room, inUse = evictionRoom, 600
		key := func(i int) int { // all in use twice, then as many others as there is room, again and again
			if i%(2*inUse+room) < 2*inUse {
				return i % (2*inUse + room) % inUse
			}
			return inUse + i
		}
		two, lru := shares(EvictTwoQueue, key), shares(EvictLRU, key)
		best := 2.0 * inUse / (2*inUse + room)
		if two < 0.9*best || lru > 0.7*best {
			t.Errorf("two queues answer %.3f and LRU %.3f, of %.3f that were asked for before", two, lru, best)
		}
	})
	t.Run("LRU follows what moves on", func(t *testing.T) {
		t.Parallel()
		key := func(i int) int { return i/20 + rand.New(rand.NewPCG(1, uint64(i))).IntN(900) }
		two, lru := shares(EvictTwoQueue, key), shares(EvictLRU, key)
		if lru < two {
			t.Errorf("LRU answers %.3f and two queues %.3f", lru, two)
		}
	})
	t.Run("what comes back while its ghost is there stays", func(t *testing.T) {
		t.Parallel()
		l, tk, s := newLocal[int, int](100, EvictTwoQueue), newTickets[int, int](), freshSession()
		for i := range 101 {
			liveInt(l, tk, s, i)
		}
		if here(l, 0, s, 1) != nil {
			t.Fatal("nothing was evicted")
		}
		liveInt(l, tk, s, 0)
		for i := range 1000 {
			liveInt(l, tk, s, 1000+i)
		}
		if here(l, 0, s, 1) == nil {
			t.Error("what was asked for again was evicted before what was asked for once")
		}
	})
	t.Run("what is void goes first, used or not", func(t *testing.T) {
		t.Parallel()
		for _, policy := range []Eviction{EvictTwoQueue, EvictLRU} {
			l, tk, s := newLocal[int, int](3, policy), newTickets[int, int](), freshSession()
			void := liveInt(l, tk, s, 0)
			for k := range 3 {
				if k > 0 {
					liveInt(l, tk, s, k)
				}
				here(l, k, s, 1)
			}
			tk.void("0")
			liveInt(l, tk, s, 3)
			if l.find(0, void.hash) != nil {
				t.Errorf("policy %d: a void entry was kept", policy)
			}
		}
	})
}

// Whatever is added, evicted, voided and replaced, look-ups find what a map
// would, and the queues hold what the buckets do.
func TestLocalModel(t *testing.T) {
	t.Parallel()
	for _, policy := range []Eviction{EvictTwoQueue, EvictLRU} {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		room := 1 + random.IntN(600)
		l, tk, s := newLocal[int, int](room, policy), newTickets[int, int](), freshSession()
		l.mask = uint64(len(l.shards)*4 - 1) // few buckets, so that chains are long
		model := make(map[int]*entry[int, int])
		for step := range 20_000 {
			k := random.IntN(2 * room)
			switch random.IntN(4) {
			case 0:
				e := tk.open(place{key: fmt.Sprint(k)}, s)
				tk.commit(e, endless)
				if old := l.add(k, e); old != nil {
					if model[old.key] != old {
						t.Fatalf("seed %d, step %d: evicted what was not there", seed, step)
					}
					delete(model, old.key)
					tk.release(old)
				}
				model[k] = e
			case 1:
				tk.void(fmt.Sprint(k))
			default:
				want := model[k]
				if want != nil && want.expires.Load() == 0 {
					want = nil
				}
				if got := here(l, k, s, 1); got != want {
					t.Fatalf("seed %d, step %d: get(%d) = %p, want %p", seed, step, k, got, want)
				}
			}
			if len(model) > room {
				t.Fatalf("seed %d, step %d: %d entries in room for %d", seed, step, len(model), room)
			}
		}
		var held, queued []int
		for i := range l.buckets {
			for e := l.buckets[i].Load(); e != nil; e = e.next.Load() {
				held = append(held, e.key)
			}
		}
		for i := range l.shards {
			q := &l.shards[i].queues
			for _, one := range []queue[*entry[int, int]]{q.main, q.probation} {
				if one.LRU == nil {
					continue
				}
				for _, e := range one.Keys() {
					queued = append(queued, e.key)
				}
			}
			if q.ghosts.len() > q.room {
				t.Errorf("%d ghosts of %d entries", q.ghosts.len(), q.room)
			}
		}
		slices.Sort(held)
		slices.Sort(queued)
		if !slices.Equal(held, queued) || len(held) != len(model) {
			t.Errorf("seed %d: %d in buckets, %d in queues, want %d", seed, len(held), len(queued), len(model))
		}
	}
}
