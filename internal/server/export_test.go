//go:build unix

package server

import (
	"context"
	"errors"
)

// Missing says which server's binary is not on this machine.
func Missing() error {
	_, redis := findRedis()
	_, postgres := findPostgres()
	return errors.Join(redis, postgres)
}

// Find looks for a binary as the servers' own are looked for.
func Find(name string, patterns []string) (string, bool) { return find(name, patterns) }

// StartRedisOn starts a server on a port that the test chooses.
func StartRedisOn(ctx context.Context, port func() (int, error)) (*Redis, error) {
	return startRedis(ctx, port, nil)
}

// StartPostgresOn starts a server on a port that the test chooses.
func StartPostgresOn(ctx context.Context, port func() (int, error)) (*Postgres, error) {
	return startPostgres(ctx, port)
}

// FreePort returns a port that nobody listens on.
func FreePort() (int, error) { return freePort() }

// RunShell runs a script on a leash that ends it with TERM. stop returns when it is
// gone.
func RunShell(script string) (stop func(), err error) {
	l, err := newLeash(command{args: []string{"/bin/sh", "-c", script}, signals: "TERM"})
	if err != nil {
		return nil, err
	}
	if _, err := l.start(); err != nil {
		l.stop()
		return nil, err
	}
	return l.stop, nil
}
