package tiered

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// A manyStorm has nodes ask for some of a few keys, with GetMany and with Get,
// while others invalidate some, and holds each answer against what was announced.
type manyStorm struct {
	*testing.T
	nodes    []*Cache[string, string]
	src      *manySource
	keys     []string
	maxStale time.Duration

	mu   sync.Mutex
	acks map[string][]manyAck // by key
}

// A manyAck is a change of which an invalidation on a node has returned.
type manyAck struct {
	version int64
	at      time.Time
	node    int
}

func (s *manyStorm) some() []string {
	keys := make([]string, 1+rand.N(2*len(s.keys)))
	for i := range keys {
		keys[i] = s.keys[rand.N(len(s.keys))]
	}
	return keys
}

// oldest returns the least version of each key that a call which begins now may
// return on a node.
func (s *manyStorm) oldest(node int) map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := make(map[string]int64)
	for key, acks := range s.acks {
		for _, a := range acks {
			if a.node == node || time.Since(a.at) > s.maxStale {
				versions[key] = max(versions[key], a.version)
			}
		}
	}
	return versions
}

func (s *manyStorm) read(node int) {
	keys, oldest := s.some(), s.oldest(node)
	var results []Result[string]
	if len(keys) == 1 {
		v, err := s.nodes[node].Get(context.Background(), keys[0])
		results = []Result[string]{{v, err}}
	} else {
		results = s.nodes[node].GetMany(context.Background(), keys)
	}
	for i, r := range results {
		name, number, _ := strings.Cut(r.Value, "@")
		version, _ := strconv.ParseInt(number, 10, 64)
		if r.Err != nil || name != keys[i] || version < oldest[name] {
			s.Errorf("node %d: %q: %q, %v, want version %d or newer", node, keys[i], r.Value, r.Err, oldest[keys[i]])
		}
	}
}

func (s *manyStorm) write(node int) {
	keys := s.some()
	if rand.N(3) == 0 {
		keys = s.keys // by their tag
	}
	version := s.src.version.Add(1)
	var err error
	if len(keys) == len(s.keys) {
		err = s.nodes[node].redis.Invalidate(context.Background(), Tagged("t"))
		keys = s.keys
	} else {
		err = s.nodes[node].Invalidate(context.Background(), keys...)
	}
	if err != nil {
		s.Errorf("Invalidate = %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.acks[key] = append(s.acks[key], manyAck{version, time.Now(), node})
	}
}

func TestGetManyStorm(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{TTL: 200 * time.Millisecond}, {PlainJSON: true}} {
		t.Run("PlainJSON="+strconv.FormatBool(o.PlainJSON), func(t *testing.T) {
			t.Parallel()
			s := &manyStorm{T: t, src: new(manySource), keys: numbered(12), maxStale: 500 * time.Millisecond, acks: make(map[string][]manyAck)}
			prefix := newPrefix(t)
			for range 2 {
				r := dial(t, RedisOptions{Prefix: prefix, MaxStale: s.maxStale})
				s.nodes = append(s.nodes, newCacheOf(t, r, oneTag, s.src, o))
			}
			began := time.Now()
			stop := make(chan struct{})
			var work sync.WaitGroup
			defer func() {
				close(stop)
				work.Wait()
				for node, c := range s.nodes {
					t.Logf("node %d met %+v", node, c.Stats())
				}
			}()
			repeat := func(pace func() time.Duration, do func(node int)) {
				for node := range s.nodes {
					work.Go(func() {
						for {
							select {
							case <-stop:
								return
							case <-time.After(rand.N(pace())):
								do(node)
							}
						}
					})
				}
			}
			for range 8 {
				repeat(func() time.Duration { return time.Millisecond }, s.read)
			}
			// Less and less often, for where nothing stays long enough to be hit.
			repeat(func() time.Duration { return 5*time.Millisecond + time.Since(began)/100 }, s.write)
			<-time.After(2 * time.Second)
			servertest.Eventually(t, time.Minute, func() bool {
				return !slices.ContainsFunc(s.nodes, func(c *Cache[string, string]) bool {
					st := c.Stats()
					return st.LocalHits == 0 || st.RedisHits == 0 || st.Batches == 0 || st.Shared == 0 || st.Refused == 0
				})
			}, "all that can happen, on each node")
		})
	}
}

// Once something had no reply in time, the rest does not wait for its own.
func TestInTurns(t *testing.T) {
	t.Parallel()
	calls := 0
	replies := inTurns(make([]place, 10), func(some []place) []reply {
		calls++
		if calls == 2 {
			return failAll(2, context.DeadlineExceeded)
		}
		return make([]reply, min(3, len(some)))
	})
	if calls != 2 || len(replies) != 10 {
		t.Fatalf("%d calls, %d replies, want 2 and 10", calls, len(replies))
	}
	for i, r := range replies {
		if failed := i >= 3; (r.err != nil) != failed || isUnasked(r.err) != (i >= 5) {
			t.Errorf("reply %d: %v", i, r.err)
		}
	}
}
