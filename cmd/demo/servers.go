package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"leadcache/internal/server"
)

// cleanUpTime bounds each step of cleaning up. It is ample for a local server
// and short enough for someone who waits after Ctrl-C.
const cleanUpTime = 10 * time.Second

// A leftoverError says what could not be stopped or removed.
type leftoverError struct {
	what string
	err  error
}

func (e leftoverError) Error() string { return "stopping: " + e.what + ": " + e.err.Error() }
func (e leftoverError) Unwrap() error { return e.err }

func leftover(what string, err error) error {
	if err == nil {
		return nil
	}
	return leftoverError{what, err}
}

// places are the servers of one run, and this run's own corner in them.
type places struct {
	redisURL    string // empty with Redis off
	databaseURL string
	prefix      string // of every Redis key and channel
	schema      string // in Postgres
	secrets     secrets

	redis    *server.Redis    // nil unless started by this run
	postgres *server.Postgres // nil unless started by this run
}

// openPlaces starts the private servers that c needs and makes sure that a
// given Redis can be reached.
func openPlaces(ctx context.Context, c config) (_ *places, err error) {
	random := make([]byte, 5)
	rand.Read(random)
	name := hex.EncodeToString(random)
	p := &places{
		redisURL:    c.redisURL,
		databaseURL: c.databaseURL,
		prefix:      "demo:" + name + ":",
		schema:      "demo_" + name,
		secrets:     newSecrets(),
	}
	defer func() {
		if err != nil {
			p.stopServers()
		}
	}()
	if c.redisEnabled {
		if err := p.openRedis(ctx); err != nil {
			return nil, err
		}
	}
	if p.databaseURL == "" {
		if p.postgres, err = server.StartPostgres(ctx); err != nil {
			return nil, err
		}
		p.databaseURL = p.postgres.URL()
	}
	return p, nil
}

func (p *places) openRedis(ctx context.Context) (err error) {
	if p.redisURL == "" {
		if p.redis, err = server.StartRedis(ctx); err != nil {
			return err
		}
		p.redisURL = p.redis.URL()
	}
	if err := p.ping(ctx); err != nil {
		return fmt.Errorf("REDIS_URL: %s does not answer (REDIS_ENABLED=false runs without): %w",
			redisPlace(p.redisURL), err)
	}
	return nil
}

func (p *places) nodeConfig(c config) nodeConfig {
	return nodeConfig{
		RedisEnabled: c.redisEnabled,
		RedisURL:     p.redisURL,
		Prefix:       p.prefix,
		DatabaseURL:  withSchema(p.databaseURL, p.schema),
		Secrets:      p.secrets,
	}
}

// close removes this run's keys and stops the servers it started. It does so
// also when ctx has ended.
func (p *places) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	defer p.stopServers()
	if p.redisURL == "" {
		return nil
	}
	return leftover("keys "+p.prefix+"*", p.removeKeys(ctx))
}

func (p *places) stopServers() {
	if p.redis != nil {
		p.redis.Stop()
	}
	if p.postgres != nil {
		p.postgres.Stop()
	}
}

func (p *places) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Do(ctx, client.B().Ping().Build()).Error()
}

// removeKeys unlinks every key with this run's prefix. The prefix has no
// character that means anything in a pattern.
func (p *places) removeKeys(ctx context.Context) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.Close()
	for cursor := uint64(0); ; {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(p.prefix+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		if len(page.Elements) > 0 {
			if err := client.Do(ctx, client.B().Unlink().Key(page.Elements...).Build()).Error(); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}

// client connects apart from the cache under test: a plain client of this
// program's own, so that it neither helps nor hides anything.
func (p *places) client() (rueidis.Client, error) {
	o, err := rueidis.ParseURL(p.redisURL)
	if err != nil {
		return nil, errors.New("REDIS_URL is not understood")
	}
	o.DisableCache = true
	o.DisableRetry = true
	o.ForceSingleClient = true
	o.Dialer.Timeout = 2 * time.Second
	o.ConnWriteTimeout = 5 * time.Second
	return rueidis.NewClient(o)
}
