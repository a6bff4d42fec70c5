package tiered

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// Failures counts what went wrong with Redis since [Dial], by kind.
type Failures struct {
	Timeouts   uint64 `json:"timeouts"`   // commands that got no reply in time
	Broken     uint64 `json:"broken"`     // commands whose connection was lost, or whose reply was none
	Refusals   uint64 `json:"refusals"`   // commands that Redis refused: OOM, READONLY, NOPERM, LOADING and the like
	Unexpected uint64 `json:"unexpected"` // replies that no server gives to that command
	Lost       uint64 `json:"lost"`       // connections that were lost or given up
	Dials      uint64 `json:"dials"`      // attempts to connect that failed
	Journalled uint64 `json:"journalled"` // invalidated keys and tags that went to the journal, each time one did
}

// A failure is a kind of them.
type failure int

const (
	failureTimeout failure = iota
	failureBroken
	failureRefusal
	failureUnexpected
	failureLost
	failureDial
	failureJournalled
	failureKinds // how many there are
)

type failureCounts [failureKinds]atomic.Uint64

func (c *failureCounts) snapshot() Failures {
	return Failures{
		Timeouts:   c[failureTimeout].Load(),
		Broken:     c[failureBroken].Load(),
		Refusals:   c[failureRefusal].Load(),
		Unexpected: c[failureUnexpected].Load(),
		Lost:       c[failureLost].Load(),
		Dials:      c[failureDial].Load(),
		Journalled: c[failureJournalled].Load(),
	}
}

// failureOf returns of which kind the failure of a command is.
func failureOf(err error) failure {
	switch {
	case errors.Is(err, errReply), errors.Is(err, errNotRESP), rueidis.IsParseErr(err):
		return failureUnexpected
	case isRefusal(err), isReply(err):
		return failureRefusal
	case errors.Is(err, context.DeadlineExceeded):
		return failureTimeout
	default:
		return failureBroken
	}
}

// String says what Redis did, for the log.
func (f failure) String() string {
	switch f {
	case failureTimeout:
		return "Redis does not answer in time"
	case failureRefusal:
		return "Redis refuses commands"
	case failureUnexpected:
		return "Redis answers what no server does"
	default:
		return "the connection to Redis is lost"
	}
}

// A remedy is what was done about the failure of a command.
type remedy string

const (
	loadersAnswer remedy = "the loaders answer"
	keptInJournal remedy = "the invalidation is kept in the journal"
	linkGivenUp   remedy = "the connection is given up"
)

// failed notes that a command failed. A caller who left is no failure, nor is
// what was not sent at all.
func (r *Redis) failed(err error, done remedy) {
	if errors.Is(err, context.Canceled) || isUnasked(err) {
		return
	}
	r.mu.Lock()
	enabled := r.status.Enabled // else its commands were cut short on purpose
	if enabled {
		r.status.Err = err
	}
	r.mu.Unlock()
	if !enabled {
		return
	}
	kind := failureOf(err)
	r.failures[kind].Add(1)
	r.warn("tiered: "+kind.String()+"; "+string(done), err)
}
