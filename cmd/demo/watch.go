package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

// watchTime is how long GET /watch waits for a change. It is well above
// MaxStale, the bound that the cache promises under any fault.
const watchTime = 5 * time.Second

// watchRest is the pause between two reads of a watch, and so about how much
// later than it happened a change is seen. Without a pause the watches of a
// fleet take every processor of a small machine for themselves, and measure
// little else than each other.
const watchRest = 50 * time.Microsecond

// watchPatience is how often a watch reads until the local tier has the lead,
// or that it is absent. It begins without if it never does, with Redis off for
// one. Two reads are enough unless someone else changes the lead.
const watchPatience = 10

// rest is time.Sleep(watchRest) by the kernel's timer: the runtime's own wakes
// an idle processor by whole milliseconds.
func rest() {
	t := unix.NsecToTimeval(watchRest.Nanoseconds())
	_, _ = unix.Select(0, nil, nil, nil, &t) // a signal may end it early
}

// watchLead reads the lead of ?from= and ?org= over and over, through the
// cache, until its customer name is ?name=, or until there is one if ?name= is
// missing. It answers a watchEvent when it has begun, unless what it waits for
// is there already, and one at the end.
func (n *node) watchLead(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), watchTime)
	defer cancel()
	from, org, err := leadQuery(r)
	if err != nil {
		n.respond(w, nil, err)
		return
	}
	q := r.URL.Query()
	seen := func(lead leadsvc.Lead) bool { return !q.Has("name") || lead.CustomerName.String == q.Get("name") }
	// A parent that has left is told nothing; the deadline ends the watch.
	tell := func(e watchEvent) {
		_ = json.NewEncoder(w).Encode(e)
		_ = http.NewResponseController(w).Flush()
	}
	begun, oldAt := false, int64(0)
	for reads := 1; ; reads++ {
		traced, trace := tiered.WithTrace(ctx)
		asked := time.Now()
		lead, err := n.service.FindLeadByPhone(traced, from, org)
		answered := time.Now()
		n.watched.count(trace.Source())
		switch {
		case ctx.Err() != nil:
			tell(watchEvent{Event: watchMissed})
			return
		case err != nil && !errors.Is(err, leadsvc.ErrNotFound):
			if begun {
				tell(watchEvent{Event: watchMissed})
			} else {
				n.respond(w, nil, err)
			}
			return
		case err == nil && seen(lead):
			tell(watchEvent{Event: watchSeen, OldAt: oldAt, AskedAt: asked.UnixNano(), SeenAt: answered.UnixNano()})
			return
		case !begun && (trace.Source() == tiered.SourceLocal || reads == watchPatience):
			begun = true
			tell(watchEvent{Event: watchBegun, Source: trace.Source().String()})
		}
		oldAt = asked.UnixNano()
		rest()
	}
}

// watchCounters count the reads of watchLead.
type watchCounters struct{ local, redis, loader atomic.Uint64 }

func (c *watchCounters) count(s tiered.Source) {
	switch s {
	case tiered.SourceLocal:
		c.local.Add(1)
	case tiered.SourceRedis:
		c.redis.Add(1)
	default:
		c.loader.Add(1)
	}
}

func (c *watchCounters) reads() watchReads {
	return watchReads{Local: c.local.Load(), Redis: c.redis.Load(), Loader: c.loader.Load()}
}
