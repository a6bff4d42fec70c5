package tiered

import (
	"context"
	"sync/atomic"
)

// A Source is a place that an answer can come from, the fastest first.
type Source int32

// The sources of an answer.
const (
	SourceLocal  Source = iota // the local tier of this process
	SourceRedis                // the Redis tier
	SourceLoader               // the loader
	SourceStale                // the local tier, after the loader: see [StaleError]
)

func (s Source) String() string {
	switch s {
	case SourceLocal:
		return "local"
	case SourceRedis:
		return "redis"
	case SourceLoader:
		return "loader"
	case SourceStale:
		return "stale"
	default:
		return "unknown"
	}
}

// A Trace tells where the answers to calls with its context came from. It may
// be used by several goroutines at once. A local hit does not look for one, so
// a trace costs those nothing.
type Trace struct{ slowest atomic.Int32 }

type traceKey struct{}

// WithTrace returns a context whose calls of [Cache.Get] are noted in the
// returned Trace.
func WithTrace(ctx context.Context) (context.Context, *Trace) {
	t := new(Trace)
	return context.WithValue(ctx, traceKey{}, t), t
}

// Source returns the slowest source of any call so far: SourceLocal when none
// went further, or when there was none.
func (t *Trace) Source() Source { return Source(t.slowest.Load()) }

// note records one answer in the trace of ctx, if it has one.
func note(ctx context.Context, s Source) {
	t, ok := ctx.Value(traceKey{}).(*Trace)
	if !ok {
		return
	}
	for {
		old := t.slowest.Load()
		if int32(s) <= old || t.slowest.CompareAndSwap(old, int32(s)) {
			return
		}
	}
}
