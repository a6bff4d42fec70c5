package tiered

import (
	"errors"
	"fmt"
	"time"
)

// Defaults of [Options].
const (
	defaultTTL          = 5 * time.Minute
	defaultAbsentTTL    = 30 * time.Second
	defaultLocalEntries = 10_000
	defaultLoadTimeout  = 10 * time.Second
	defaultWaitForFill  = 2 * time.Second
)

// Options tune one [Cache]. The zero value of each field means the default
// that its comment names; a negative value is an error.
type Options struct {
	// TTL bounds the age of a value, counted from the moment its load began,
	// in either tier. It is what bounds staleness for a change that nobody
	// announced. Entries expire after 90 to 100 % of it, at random, so that
	// those filled together do not expire together. Default 5 minutes; at
	// least 10 milliseconds.
	TTL time.Duration

	// AbsentTTL is the TTL of an absent key. Default 30 seconds.
	AbsentTTL time.Duration

	// LocalEntries bounds the number of entries in the local tier; the least
	// recently used are evicted first. Default 10,000.
	LocalEntries int

	// LoadTimeout ends the context of a load. Default 10 seconds.
	LoadTimeout time.Duration

	// WaitForFill is how long a node waits for another node that holds the
	// fill lease of a key, before it asks the loader itself. Default 2 seconds.
	WaitForFill time.Duration

	// Codec turns values into the bytes that are kept in Redis, and back.
	// Default JSON.
	Codec Codec

	// PlainJSON keeps values in Redis as the Codec makes them, which must be
	// JSON, without a frame around them, so that other programs can share
	// them: read them, write their own, delete them. What those programs do
	// reaches the local tiers like any change; where the server refuses
	// tracking, the local tiers keep these values for MaxStale only. A plain
	// value does not tell which type it is of, so the Codec must refuse what
	// is none, nor to which server it was written: see what the package does
	// not promise. Default: framed.
	PlainJSON bool
}

// withDefaults returns a copy in which every zero field has its default.
func (o Options) withDefaults() Options {
	o.TTL = orDefault(o.TTL, defaultTTL)
	o.AbsentTTL = orDefault(o.AbsentTTL, defaultAbsentTTL)
	o.LocalEntries = orDefault(o.LocalEntries, defaultLocalEntries)
	o.LoadTimeout = orDefault(o.LoadTimeout, defaultLoadTimeout)
	o.WaitForFill = orDefault(o.WaitForFill, defaultWaitForFill)
	if o.Codec == nil {
		o.Codec = jsonCodec{}
	}
	return o
}

// minTTL keeps a TTL well above the millisecond in which Redis counts.
const minTTL = 10 * time.Millisecond

func (o Options) validate() error {
	return errors.Join(
		atLeast("TTL", o.TTL, minTTL),
		atLeast("AbsentTTL", o.AbsentTTL, minTTL),
		atLeast("LocalEntries", o.LocalEntries, 1),
		atLeast("LoadTimeout", o.LoadTimeout, time.Millisecond),
		atLeast("WaitForFill", o.WaitForFill, time.Millisecond),
	)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func atLeast[T int | time.Duration](field string, v, bound T) error {
	if v < bound {
		return fmt.Errorf("tiered: %s is %v, want at least %v", field, v, bound)
	}
	return nil
}
