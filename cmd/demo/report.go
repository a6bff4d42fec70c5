package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// A report is the result of one run, as -report writes it. Times are in
// nanoseconds, rates and shares from 0 to 1.
type report struct {
	Nodes         int           `json:"nodes"`
	Conversations int           `json:"conversations"`
	Duration      time.Duration `json:"duration_ns"`
	RedisEnabled  bool          `json:"redis_enabled"`

	Requests requestCount   `json:"requests"`
	Errors   map[string]int `json:"errors"` // by kind
	Updates  updateCount    `json:"updates"`

	Keyspaces map[string]keyspaceStats `json:"keyspaces"`
	Total     keyspaceStats            `json:"total"`
	Watch     watchReads               `json:"watch_reads"` // left out of the two above
	Queries   queryCount               `json:"queries"`
	Redis     []redisState             `json:"redis"` // of each node when the traffic had ended

	Endpoints map[endpoint]summary `json:"endpoints"` // round trips as the client sees them
	Lookup    map[string]summary   `json:"lookup"`    // of texts, in the node, by the slowest tier asked

	// All look-ups of the voice webhook, in the node: cold if one of them
	// asked the database.
	ColdCall summary `json:"cold_call"`
	WarmCall summary `json:"warm_call"`

	// On the other nodes, after the writer's call had returned.
	Published      summary `json:"published"`    // a bare PUBLISH arrived
	UpdateOld      summary `json:"update_old"`   // the last read began that returned the old value
	UpdateStale    summary `json:"update_stale"` // the first one began that did not
	UpdateVisible  summary `json:"update_visible"`
	NewLeadOld     summary `json:"new_lead_old"`
	NewLeadStale   summary `json:"new_lead_stale"`
	NewLeadVisible summary `json:"new_lead_visible"`

	Checks []check `json:"checks"`
}

// requestCount counts what the parent asked of the nodes, but for the watches.
type requestCount struct {
	ByEndpoint map[endpoint]int `json:"by_endpoint"`
	Total      int              `json:"total"`
	PerSecond  float64          `json:"per_second"`
}

// queryCount tells how many queries the nodes sent to Postgres, writes
// included.
type queryCount struct {
	Total      uint64  `json:"total"`
	PerRequest float64 `json:"per_request"`

	// UncachedPerRequest is what it would have been at least without any
	// cache, with one query in place of each look-up that needed none.
	UncachedPerRequest float64 `json:"uncached_per_request"`
}

// newReport puts the ledger and the statistics of all nodes together.
func newReport(c config, took time.Duration, l *ledger, stats []nodeStats, checks []check) *report {
	t := l.tally()
	r := &report{
		Nodes:         c.nodes,
		Conversations: c.conversations,
		Duration:      took,
		RedisEnabled:  c.redisEnabled,
		Requests: requestCount{
			ByEndpoint: t.requests, Total: t.requestCount(),
			PerSecond: float64(t.requestCount()) / took.Seconds(),
		},
		Errors:    t.errors,
		Updates:   t.updates,
		Endpoints: make(map[endpoint]summary),
		Lookup:    make(map[string]summary),
		ColdCall:  l.coldCall.summary(),
		WarmCall:  l.warmCall.summary(),

		Published:      l.published.summary(),
		UpdateOld:      l.updated.old.summary(),
		UpdateStale:    l.updated.stale.summary(),
		UpdateVisible:  l.updated.visible.summary(),
		NewLeadOld:     l.created.old.summary(),
		NewLeadStale:   l.created.stale.summary(),
		NewLeadVisible: l.created.visible.summary(),

		Checks: checks,
	}
	for e, s := range l.roundTrip {
		r.Endpoints[e] = s.summary()
	}
	for source, s := range l.textLookup {
		r.Lookup[source.String()] = s.summary()
	}
	r.Keyspaces, r.Total, r.Watch = sumKeyspaces(stats)
	for _, s := range stats {
		r.Queries.Total += s.Queries
		r.Redis = append(r.Redis, s.Redis)
	}
	r.Queries.Total -= min(r.Queries.Total, r.Watch.Loader)
	if n := float64(t.requestCount()); n > 0 {
		saved := r.Total.Gets - min(r.Total.Gets, r.Total.Loads)
		r.Queries.PerRequest = float64(r.Queries.Total) / n
		r.Queries.UncachedPerRequest = float64(r.Queries.Total+saved) / n
	}
	return r
}

// sumKeyspaces adds up the statistics of all nodes, less the reads of the
// watch loops, which are reads of leads.
func sumKeyspaces(stats []nodeStats) (byName map[string]keyspaceStats, total keyspaceStats, watch watchReads) {
	byName = make(map[string]keyspaceStats)
	for _, s := range stats {
		for name, k := range s.Keyspaces {
			one := byName[name]
			one.add(k)
			byName[name] = one
			total.add(k)
		}
		watch.Local += s.Watch.Local
		watch.Redis += s.Watch.Redis
		watch.Loader += s.Watch.Loader
	}
	leads := byName[leadKeyspace]
	leads.leaveOut(watch)
	byName[leadKeyspace] = leads
	total.leaveOut(watch)
	return byName, total, watch
}

// names returns the keyspaces that were used, the busiest first.
func (r *report) names() []string {
	var names []string
	for name, k := range r.Keyspaces {
		if k.Gets > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Keyspaces[b].Gets, r.Keyspaces[a].Gets), cmp.Compare(a, b))
	})
	return names
}

// save writes the report as JSON, unless file is empty.
func (r *report) save(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	return nil
}
