//go:build unix

package churn

import (
	"context"
	"sync"
	"time"

	"leadcache/internal/pause"
	"leadcache/internal/server"
)

// nodes is how many there are: one would not hear of the other's changes.
const nodes = 2

// Run keeps the nodes busy, takes samples, stops everything, and returns what
// was seen. What is not flat is part of the [Result]; an error means that there
// is none: ctx has ended, Redis could not be started, or a field of c is out of
// range.
func Run(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	result, err := runNodes(ctx, c)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return result, err
}

func runNodes(ctx context.Context, c Config) (_ *Result, err error) {
	r := &run{config: c}
	if r.redis, err = server.StartRedis(ctx); err != nil {
		return nil, err
	}
	defer r.redis.Stop()
	defer r.close()
	for range nodes {
		n := new(node)
		r.nodes = append(r.nodes, n)
		if err := n.open(r.redis.URL(), c); err != nil {
			return nil, err
		}
		if err := n.ready(ctx); err != nil {
			return nil, err
		}
	}
	r.began = time.Now()
	samples, err := r.work(ctx)
	if err != nil {
		return nil, err
	}
	return r.result(samples), nil
}

// A run is what goes on during one.
type run struct {
	config Config
	redis  *server.Redis
	nodes  []*node
	began  time.Time
	gate   sync.RWMutex
	counts counts

	disturbed int           // how often
	last      time.Duration // when
}

func (r *run) close() {
	for _, n := range r.nodes {
		n.close()
	}
}

// work lets the readers work while samples are taken, and returns when all have
// ended.
func (r *run) work(ctx context.Context) ([]Sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, n := range r.nodes {
		for range r.config.Readers {
			reader := &reader{node: n, keys: r.config.Keys, began: r.began, gate: &r.gate, counts: &r.counts}
			wg.Go(func() { reader.run(ctx) })
		}
	}
	var samples []Sample
	for time.Since(r.began) < r.config.Duration {
		if !pause.For(ctx, r.config.every()/2) {
			return nil, ctx.Err()
		}
		if err := r.disturb(); err != nil {
			return nil, err
		}
		if !pause.For(ctx, r.config.every()/2) {
			return nil, ctx.Err()
		}
		s, err := r.sample(ctx)
		if err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// disturbances are what befalls Redis between two samples, in turn.
var disturbances = [][]string{
	{"CLIENT", "KILL", "TYPE", "pubsub"}, // the nodes' only connections: they subscribe
	{"FLUSHALL"},
	nil, // a quiet time
}

// calm is how long the nodes have at least to make good what befell them.
const calm = 2 * time.Second

func (r *run) disturb() error {
	now := time.Since(r.began)
	if r.disturbed > 0 && now < r.last+calm {
		return nil
	}
	command := disturbances[r.disturbed%len(disturbances)]
	r.disturbed, r.last = r.disturbed+1, now
	if command == nil {
		return nil
	}
	_, err := r.redis.CLI(command...)
	return err
}
