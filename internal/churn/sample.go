//go:build unix

package churn

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"leadcache/internal/footprint"
	"leadcache/internal/pause"
	"leadcache/internal/server"
)

// restTime is for flights to end whose callers have left.
const restTime = 50 * time.Millisecond

// A Sample is what there is at one moment of a run.
type Sample struct {
	At time.Duration
	footprint.Footprint
	Redis   uint64 // bytes that Redis uses
	Keys    int    // in Redis
	Entries int    // in all local tiers
	Reads   uint64 // since the run began
}

// sample takes one at rest.
func (r *run) sample(ctx context.Context) (s Sample, err error) {
	r.gate.Lock()
	defer r.gate.Unlock()
	if !pause.For(ctx, restTime) {
		return s, ctx.Err()
	}
	s.At = time.Since(r.began)
	if s.Footprint, err = footprint.Take(ctx); err != nil {
		return s, err
	}
	if s.Redis, s.Keys, err = redisSize(r.redis); err != nil {
		return s, err
	}
	for _, n := range r.nodes {
		s.Entries += n.leads.Stats().Entries + n.brief.Stats().Entries
	}
	s.Reads = r.counts.reads.Load()
	return s, nil
}

// redisSize returns the bytes and the keys of a Redis.
func redisSize(redis *server.Redis) (bytes uint64, keys int, err error) {
	size, err := redis.CLI("DBSIZE")
	if err != nil {
		return 0, 0, err
	}
	if keys, err = strconv.Atoi(size); err != nil {
		return 0, 0, err
	}
	info, err := redis.CLI("INFO", "memory")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			bytes, err = strconv.ParseUint(text, 10, 64)
			return bytes, keys, err
		}
	}
	return 0, 0, errors.New("redis-server does not say what memory it uses")
}
