//go:build unix

package load

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Config says what to run. The zero value of each field means the default
// that its comment names.
type Config struct {
	Conversations int           // each on a connection of its own. Default 10,000
	Every         time.Duration // between two texts of a conversation. Default 20 seconds
	Duration      time.Duration // of what is measured. Default 20 seconds
	Profiles      string        // folder for the server's profiles, CPU and heap. Default: they are not kept
	Stderr        io.Writer     // what servers complain of, and progress. Default: nowhere
}

func (c Config) withDefaults() Config {
	c.Conversations = cmp.Or(c.Conversations, 10_000)
	c.Every = cmp.Or(c.Every, 20*time.Second)
	c.Duration = cmp.Or(c.Duration, 20*time.Second)
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	return c
}

const (
	longestEvery = time.Minute // half of what ends an idle connection
	maxCustomers = 10_000_000  // that have numbers
)

func (c Config) validate() error {
	var errs []error
	if c.Conversations < 1 || c.Conversations > maxCustomers {
		errs = append(errs, fmt.Errorf("%d conversations, want 1 to %d", c.Conversations, maxCustomers))
	}
	if c.Every < time.Millisecond || c.Every > longestEvery {
		errs = append(errs, fmt.Errorf("a text every %v, want 1ms to %v", c.Every, longestEvery))
	}
	if c.Duration < time.Second {
		errs = append(errs, fmt.Errorf("a duration of %v, want at least a second", c.Duration))
	}
	return errors.Join(errs...)
}

// rate returns the texts that are due in a second.
func (c Config) rate() float64 { return float64(c.Conversations) / c.Every.Seconds() }
