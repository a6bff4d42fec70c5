package inbound

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"leadcache/tiered"
)

// A lookup measures the look-ups of one call or text.
type lookup struct {
	trace   *tiered.Trace
	started time.Time
	took    time.Duration // set by done
}

// startLookup returns a context for the look-ups.
func startLookup(ctx context.Context) (context.Context, *lookup) {
	traced, trace := tiered.WithTrace(ctx)
	return traced, &lookup{trace: trace, started: time.Now()}
}

func (l *lookup) done() { l.took = time.Since(l.started) }

// source returns the slowest tier that was asked.
func (l *lookup) source() string { return l.trace.Source().String() }

// describe says in the header of an answer how it was found.
func (l *lookup) describe(h http.Header) {
	h.Set("Cache-Source", l.source())
	h.Set("Server-Timing", fmt.Sprintf("lookup;dur=%.3f", float64(l.took)/float64(time.Millisecond)))
}
