//go:build unix

package outage

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"leadcache/internal/pause"
	"leadcache/tiered"
)

// A cache of versions, by the number of a row.
type cache = tiered.Cache[int, int64]

var keyspace = tiered.Keyspace[int]{Name: "outage", Key: strconv.Itoa}

// A node is one of the fleet, with a link to Redis and a cache of its own.
type node struct {
	redis *tiered.Redis
	cache *cache
	loads loads
}

// roomPerKey keeps the local tier, whose room is split between shards, from
// evicting.
const roomPerKey = 4

func newNode(o tiered.RedisOptions, c clock, keys int, do load) (*node, error) {
	n := &node{loads: loads{clock: c, last: make([]atomic.Pointer[span], keys)}}
	return n, n.open(o, keys, n.loads.timed(do))
}

func (n *node) open(o tiered.RedisOptions, keys int, do load) (err error) {
	o.Logger = slog.New(slog.DiscardHandler) // that Redis is lost is what the run is about
	if n.redis, err = tiered.Dial(o); err != nil {
		return err
	}
	n.cache, err = tiered.New(n.redis, keyspace, do, tiered.Options{LocalEntries: roomPerKey * keys})
	return err
}

// close may be called again, and where open has failed.
func (n *node) close() {
	if n.cache != nil {
		n.cache.Close()
	}
	if n.redis != nil {
		n.redis.Close()
	}
}

// A fleet is the nodes, and beside them one whose Redis is switched off and
// whose loads take the rest of a reader.
type fleet struct {
	nodes []*node
	alone *node
}

// startFleet starts them. The fleet is to be closed also if there is an error.
func startFleet(s *stage, c Config, t clock) (*fleet, error) {
	f := &fleet{alone: new(node)}
	if err := f.alone.open(tiered.RedisOptions{Disabled: true}, c.Readers, takeRest); err != nil {
		return f, err
	}
	for range c.Nodes {
		n, err := newNode(tiered.RedisOptions{URL: s.redisURL, Timeout: c.Timeout, MaxStale: c.MaxStale}, t, c.Keys, s.load)
		f.nodes = append(f.nodes, n)
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *fleet) close() {
	for _, n := range f.nodes {
		n.close()
	}
	f.alone.close()
}

const (
	readyTimeout = 10 * time.Second // usually 20 ms; generous for a loaded machine
	pollEvery    = 5 * time.Millisecond
)

var errNotReady = fmt.Errorf("the nodes have no connection to Redis after %v", readyTimeout)

// ready waits until all nodes use Redis.
func (f *fleet) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errNotReady)
	defer cancel()
	for _, n := range f.nodes {
		for !n.redis.Status().Connected {
			if !pause.For(ctx, pollEvery) {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// hits returns how often Redis has answered each node.
func (f *fleet) hits() []uint64 {
	hits := make([]uint64, len(f.nodes))
	for i, n := range f.nodes {
		hits[i] = n.cache.Stats().RedisHits
	}
	return hits
}

// waitForHits returns when Redis has answered every node more often than
// before, or ctx has ended.
func (f *fleet) waitForHits(ctx context.Context, before []uint64) {
	for i, n := range f.nodes {
		for n.cache.Stats().RedisHits <= before[i] && pause.For(ctx, pollEvery) {
		}
	}
}
