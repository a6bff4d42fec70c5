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

	// More than a pool of database connections has, as a rule, so that the
	// pool is kept busy; and far fewer than there are callers after a flush.
	defaultMaxLoads = 64

	// To fill an empty local tier of the default size is no overload. A load
	// that waits costs a few kilobytes.
	defaultMaxQueuedLoads = 10_000
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

	// LocalEntries bounds the number of entries in the local tier. For each, 16
	// to 32 bytes are set aside at once. Default 10,000; at most 2²⁸.
	LocalEntries int

	// Eviction says which of them make room for others. Default EvictTwoQueue.
	Eviction Eviction

	// LoadTimeout ends the context of a load. It also bounds the wait for its
	// turn, before that. Default 10 seconds.
	LoadTimeout time.Duration

	// MaxLoads bounds how many loads run at a time, those included whose
	// loader goes on after LoadTimeout. A loader must not ask its own cache for
	// other keys: so many of them at a time would wait for each other until
	// LoadTimeout ends it. Default 64.
	MaxLoads int

	// MaxQueuedLoads bounds how many more wait for their turn; beyond it Get
	// returns [ErrOverloaded]. Default 10,000.
	MaxQueuedLoads int

	// WaitForFill is how long a node waits for another node that holds the
	// fill lease of a key, before it asks the loader itself. Default 2 seconds.
	WaitForFill time.Duration

	// ServeStale makes Get return the value whose TTL has ended, together with
	// a [*StaleError], when there is no newer one because the load failed: by
	// any error but [ErrNotFound]. A nil error still means a value that is no
	// older than the package promises. It bounds how long ago the load of the
	// value began, so it must be more than TTL. The value comes from the local
	// tier, where it has its place like any other, and is one that nothing but
	// the TTL has ended: none that was invalidated, and none of a time in which
	// this node could not hear of changes. Of changes that other programs make
	// to the key in Redis it does not hear after the TTL. Default 0: never.
	ServeStale time.Duration

	// SoftTimeout makes Get return such a value, with [ErrLoading] in its
	// StaleError, when it has waited for so long. The load goes on; until it
	// ends, calls that come later return the value at once. It needs
	// ServeStale. Default 0: never.
	SoftTimeout time.Duration

	// RefreshAhead makes a local hit on a value with less than this left of its
	// TTL begin a load, in the background and on one node of the fleet, so that
	// a value in use is replaced before it expires. If that load fails, or there
	// is no slot for it, the value goes on to its end. It must be less than
	// nine tenths of TTL, as no value is sure to live longer, and cannot be had
	// with PlainJSON, where an equal value may be a later one. It does nothing
	// while there is no connection to Redis. Default 0: never.
	RefreshAhead time.Duration

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
	o.MaxLoads = orDefault(o.MaxLoads, defaultMaxLoads)
	o.MaxQueuedLoads = orDefault(o.MaxQueuedLoads, defaultMaxQueuedLoads)
	if o.Codec == nil {
		o.Codec = jsonCodec{}
	}
	return o
}

// maxLocalEntries would take 2 GB for the table alone.
const maxLocalEntries = 1 << 28

// minTTL keeps a TTL well above the millisecond in which Redis counts.
const minTTL = 10 * time.Millisecond

func (o Options) validate() error {
	return errors.Join(
		atLeast("TTL", o.TTL, minTTL),
		atLeast("AbsentTTL", o.AbsentTTL, minTTL),
		atLeast("LocalEntries", o.LocalEntries, 1),
		atMost("LocalEntries", o.LocalEntries, maxLocalEntries),
		o.Eviction.validate(),
		atLeast("LoadTimeout", o.LoadTimeout, time.Millisecond),
		atLeast("WaitForFill", o.WaitForFill, time.Millisecond),
		atLeast("MaxLoads", o.MaxLoads, 1),
		atLeast("MaxQueuedLoads", o.MaxQueuedLoads, 1),
		atLeast("ServeStale", o.ServeStale, 0),
		atLeast("SoftTimeout", o.SoftTimeout, 0),
		atLeast("RefreshAhead", o.RefreshAhead, 0),
		o.validateTogether(),
	)
}

func (e Eviction) validate() error {
	if e != EvictTwoQueue && e != EvictLRU {
		return fmt.Errorf("tiered: Eviction is %d, want EvictTwoQueue or EvictLRU", e)
	}
	return nil
}

// validateTogether checks the options that depend on others.
func (o Options) validateTogether() error {
	var errs []error
	if o.ServeStale > 0 && o.ServeStale <= o.TTL {
		errs = append(errs, fmt.Errorf("tiered: ServeStale is %v, want more than TTL, which is %v", o.ServeStale, o.TTL))
	}
	if o.SoftTimeout > 0 && o.ServeStale == 0 {
		errs = append(errs, errors.New("tiered: SoftTimeout needs ServeStale"))
	}
	if shortest := o.TTL - o.TTL/10; o.RefreshAhead > 0 && o.RefreshAhead >= shortest {
		errs = append(errs, fmt.Errorf("tiered: RefreshAhead is %v, want less than %v, nine tenths of TTL", o.RefreshAhead, shortest))
	}
	if o.RefreshAhead > 0 && o.PlainJSON {
		errs = append(errs, errors.New("tiered: RefreshAhead cannot be had with PlainJSON"))
	}
	return errors.Join(errs...)
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

func atMost(field string, v, bound int) error {
	if v > bound {
		return fmt.Errorf("tiered: %s is %d, want at most %d", field, v, bound)
	}
	return nil
}
