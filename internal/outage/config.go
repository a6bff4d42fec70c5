//go:build unix

package outage

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// A Config says what to run. The zero value of each field means the default
// that its comment names.
type Config struct {
	Nodes    int           // at least 2. Default 3
	Readers  int           // goroutines, spread over the nodes. Default 64
	Keys     int           // all are read all the time. Default 1,000
	Phase    time.Duration // how long each lasts, at least MaxStale. Default 5 seconds
	MaxStale time.Duration // of the nodes. Default 1 second
	Timeout  time.Duration // the nodes' time limit for Redis. Default 50 milliseconds
	Limit    time.Duration // the one that they are held to. Default 50 milliseconds
}

const timeLimit = 50 * time.Millisecond

func (c Config) withDefaults() Config {
	c.Nodes = cmp.Or(c.Nodes, 3)
	c.Readers = cmp.Or(c.Readers, 64)
	c.Keys = cmp.Or(c.Keys, 1000)
	c.Phase = cmp.Or(c.Phase, 5*time.Second)
	c.MaxStale = cmp.Or(c.MaxStale, time.Second)
	c.Timeout = cmp.Or(c.Timeout, timeLimit)
	c.Limit = cmp.Or(c.Limit, timeLimit)
	return c
}

func (c Config) validate() error {
	var errs []error
	for _, f := range []struct {
		name     string
		n, least int
	}{
		{"nodes", c.Nodes, 2}, // one alone would hold all that it fills, and never be answered by Redis
		{"readers", c.Readers, c.Nodes},
		{"keys", c.Keys, 1},
	} {
		if f.n < f.least {
			errs = append(errs, fmt.Errorf("%d %s, want at least %d", f.n, f.name, f.least))
		}
	}
	if c.Phase < c.MaxStale {
		errs = append(errs, fmt.Errorf("phases of %v, want at least MaxStale, %v", c.Phase, c.MaxStale))
	}
	if c.Limit <= 2*slack {
		errs = append(errs, fmt.Errorf("a time limit of %v, want more than %v: shorter waits cannot be told from pauses", c.Limit, 2*slack))
	}
	return errors.Join(errs...)
}
