//go:build unix

package churn

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// A Config says what to run. The zero value of each field means the default
// that its comment names.
type Config struct {
	Duration time.Duration // at least a second. Default 10 minutes
	Entries  int           // room in each local tier. Default 10,000
	Keys     int           // in the window, at least twice Entries. Default 100,000
	Readers  int           // of each node. Default 4
}

func (c Config) withDefaults() Config {
	c.Duration = cmp.Or(c.Duration, 10*time.Minute)
	c.Entries = cmp.Or(c.Entries, 10_000)
	c.Keys = cmp.Or(c.Keys, 100_000)
	c.Readers = cmp.Or(c.Readers, 4)
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Duration < time.Second {
		errs = append(errs, fmt.Errorf("a duration of %v, want at least a second", c.Duration))
	}
	if c.Entries < 1 {
		errs = append(errs, fmt.Errorf("%d entries, want at least 1", c.Entries))
	}
	if c.Keys < 2*c.Entries {
		errs = append(errs, fmt.Errorf("%d keys, want at least twice the %d entries", c.Keys, c.Entries))
	}
	if c.Readers < 1 {
		errs = append(errs, fmt.Errorf("%d readers, want at least 1", c.Readers))
	}
	return errors.Join(errs...)
}

// every is the time between two samples: enough of them for a median in each
// third of a short run.
func (c Config) every() time.Duration { return min(10*time.Second, c.Duration/18) }

// ttl is that of most values: Redis holds what was read in that time, so it is
// full well before the first third is over.
func (c Config) ttl() time.Duration { return min(30*time.Second, c.Duration/12) }

const (
	briefTTL  = 50 * time.Millisecond // of those that expire while they are in use
	briefKeys = 100
	tags      = 200
)
