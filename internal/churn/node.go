//go:build unix

package churn

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/internal/pause"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

type cache = tiered.Cache[int, leadsvc.Lead]

// absent reports whether the source has no lead for key.
func absent(key int) bool { return key%16 == 0 }

// load is the source.
func load(_ context.Context, key int) (leadsvc.Lead, error) {
	if absent(key) {
		return leadsvc.Lead{}, tiered.ErrNotFound
	}
	id := strconv.Itoa(key)
	return leadsvc.Lead{
		ID: id, OrganizationID: tag(key), PhoneNumber: "+1" + id, PhoneNumberNormalized: "1" + id,
		CustomerName: pgtype.Text{String: "Customer " + id, Valid: true},
		BikeInterest: leadsvc.JSON(`{"type":"gravel","budget":` + id + `}`),
	}, nil
}

func tag(key int) string { return "organization " + strconv.Itoa(key%tags) }

// timeout is more than a Redis takes that must share the processors with
// readers at full speed: it is lost when it is killed, not when it is slow.
const timeout = 500 * time.Millisecond

// A node has a link and two caches: of leads, which bear tags, and of such
// whose values expire soon.
type node struct {
	redis *tiered.Redis
	leads *cache
	brief *cache
}

// open opens a node that is to be closed also if there is an error.
func (n *node) open(url string, c Config) (err error) {
	quiet := slog.New(slog.DiscardHandler) // that Redis is lost is part of the run
	if n.redis, err = tiered.Dial(tiered.RedisOptions{URL: url, Timeout: timeout, Logger: quiet}); err != nil {
		return err
	}
	keys := tiered.Keyspace[int]{Name: "lead", Key: func(k int) string { return "lead:" + strconv.Itoa(k) }, Tag: tag}
	n.leads, err = tiered.New(n.redis, keys, tiered.LoaderFunc[int, leadsvc.Lead](load),
		tiered.Options{TTL: c.ttl(), AbsentTTL: c.ttl() / 2, LocalEntries: c.Entries})
	if err != nil {
		return err
	}
	keys = tiered.Keyspace[int]{Name: "brief", Key: func(k int) string { return "brief:" + strconv.Itoa(k) }}
	n.brief, err = tiered.New(n.redis, keys, tiered.LoaderFunc[int, leadsvc.Lead](load), tiered.Options{TTL: briefTTL, AbsentTTL: briefTTL})
	return err
}

func (n *node) close() {
	for _, c := range []*cache{n.leads, n.brief} {
		if c != nil {
			c.Close()
		}
	}
	if n.redis != nil {
		n.redis.Close()
	}
}

const (
	readyTimeout = 10 * time.Second // usually 20 ms; generous for a loaded machine
	pollEvery    = 5 * time.Millisecond
)

// ready waits until the node uses Redis.
func (n *node) ready(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for !n.redis.Status().Connected {
		if !pause.For(limited, pollEvery) {
			return fmt.Errorf("a node has no connection to Redis after %v", readyTimeout)
		}
	}
	return nil
}
