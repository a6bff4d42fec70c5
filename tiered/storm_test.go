package tiered

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A storm asks nodes for a few keys without end, changes what they stand for
// now and then, and holds each answer against what must be true of it. Node 0
// makes the changes.
type storm struct {
	t      *testing.T
	nodes  []*Cache[string, string]
	src    *source
	keys   []string
	pace   time.Duration // between the calls of one caller; 0: none
	began  time.Time
	stop   chan struct{}
	work   sync.WaitGroup
	writes atomic.Int64
	slow   atomic.Int64 // the longest call, in nanoseconds

	mu   sync.Mutex
	acks []ack
}

// An ack is a change of which an invalidation has returned.
type ack struct {
	version int64
	at      time.Time
	others  bool // the other nodes were told, too
}

// startStorm begins with so many callers. It ends with the test, at the latest.
func startStorm(t *testing.T, src *source, callers int, pace time.Duration, nodes ...*Cache[string, string]) *storm {
	t.Helper()
	s := &storm{t: t, nodes: nodes, src: src, pace: pace, began: time.Now(), stop: make(chan struct{})}
	for i := range 16 {
		s.keys = append(s.keys, "k"+strconv.Itoa(i))
	}
	for i := range callers {
		s.work.Go(func() { s.read(i % len(nodes)) })
	}
	s.work.Go(s.write)
	t.Cleanup(s.end)
	return s
}

func (s *storm) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.work.Wait()
}

// oldest returns the least version that a call which begins now may return on a
// node: the writer's own holds what it announced, the others what was
// acknowledged MaxStale ago.
func (s *storm) oldest(node int) (version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.acks {
		if node == 0 || a.others && time.Since(a.at) > s.nodes[node].redis.opts.MaxStale {
			version = max(version, a.version)
		}
	}
	return version
}

func (s *storm) read(node int) {
	c := s.nodes[node]
	for s.waits(s.pace) {
		key := s.keys[rand.N(len(s.keys))]
		oldest, began := s.oldest(node), time.Now()
		v, err := c.Get(context.Background(), key)
		took := int64(time.Since(began))
		for old := s.slow.Load(); took > old && !s.slow.CompareAndSwap(old, took); old = s.slow.Load() {
			continue
		}
		name, number, _ := strings.Cut(v, "@")
		version, _ := strconv.ParseInt(number, 10, 64)
		if err != nil || name != key || version < oldest {
			s.t.Errorf("node %d: Get(%q) = %q, %v, want version %d or newer", node, key, v, err, oldest)
			return
		}
	}
}

// write changes the truth, and says so on node 0, a few times a second.
func (s *storm) write() {
	for s.waits(300 * time.Millisecond) {
		s.writes.Add(1)
		version := s.src.version.Add(1)
		began := time.Now()
		err := s.nodes[0].Invalidate(context.Background(), s.keys...)
		took := int64(time.Since(began))
		for old := s.slow.Load(); took > old && !s.slow.CompareAndSwap(old, took); old = s.slow.Load() {
			continue
		}
		if err != nil && !errors.Is(err, ErrPending) {
			s.t.Errorf("Invalidate = %v", err)
		}
		s.mu.Lock()
		s.acks = append(s.acks, ack{version, time.Now(), err == nil})
		s.mu.Unlock()
	}
}

// waits returns true after d, or false when the storm is to end.
func (s *storm) waits(d time.Duration) bool {
	if d == 0 {
		runtime.Gosched() // or the callers wait for each other's time slices
		select {
		case <-s.stop:
			return false
		default:
			return true
		}
	}
	select {
	case <-s.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// longest returns the longest call since it was last asked.
func (s *storm) longest() time.Duration { return time.Duration(s.slow.Swap(0)) }

// checkLoads holds the calls of the loader against what each node may need: one
// for a key after each MaxStale, each change, and each loss of what it held.
func (s *storm) checkLoads() {
	spans := 1 + int64(time.Since(s.began)/s.nodes[0].redis.opts.MaxStale)
	var most int64
	for _, c := range s.nodes {
		most += int64(len(s.keys)) * (spans + s.writes.Load() + int64(c.redis.Status().Sessions))
	}
	if n := s.src.loads.Load(); n > most {
		s.t.Errorf("%d calls of the loader, want at most %d", n, most)
	} else {
		s.t.Logf("%d calls of the loader, at most %d allowed", n, most)
	}
}
