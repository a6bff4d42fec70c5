package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"leadcache/tiered"
)

// printHead says what is about to run and where, without secrets.
func printHead(w io.Writer, c config, p *places) {
	private := func(is bool) string {
		if is {
			return ", private"
		}
		return ""
	}
	fmt.Fprintf(w, "%s, %s, %v; %s\n", plural(c.nodes, "node"), plural(c.conversations, "conversation"), c.duration, machine())
	if c.redisEnabled {
		fmt.Fprintf(w, "Redis     %s, keys %s*%s\n", redisPlace(p.redisURL), p.prefix, private(p.redis != nil))
	} else {
		fmt.Fprintf(w, "Redis     off\n")
	}
	fmt.Fprintf(w, "Postgres  %s, schema %s%s\n\n", databasePlace(p.databaseURL), p.schema, private(p.postgres != nil))
}

// machine says what the times depend on. The load is that of the last minute,
// before this run began.
func machine() string {
	text := plural(runtime.NumCPU(), "processor")
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		before, _, _ := strings.Cut(string(load), " ")
		text += ", load " + before + " before"
	}
	return text
}

// printTable prints the results for people.
func printTable(w io.Writer, r *report) {
	fmt.Fprintf(w, "requests          %s in %.1f s, %s a second\n",
		count(r.Requests.Total), r.Duration.Seconds(), count(int(r.Requests.PerSecond)))
	fmt.Fprintf(w, "errors            %s\n", count(sum(r.Errors)))
	fmt.Fprintf(w, "database queries  %s, %.2f a request; without the cache at least %.2f\n\n",
		count(int(r.Queries.Total)), r.Queries.PerRequest, r.Queries.UncachedPerRequest)

	cache := table{{"cache", "gets", "local hits", "Redis hits", "loads", "shared", "hit rate"}}
	for _, name := range r.names() {
		cache = append(cache, r.Keyspaces[name].cells(name))
	}
	if len(cache) > 2 {
		cache = append(cache, r.Total.cells("all"))
	}
	cache.print(w)
	if !r.RedisEnabled {
		fmt.Fprintln(w, "Redis is off, and with it the local tier: every look-up is a query, unless it shares one.")
	}
	if r.Total.Errors > 0 {
		fmt.Fprintf(w, "%s calls to Redis failed or took too long; the database answered instead.\n", count(int(r.Total.Errors)))
	}
	for i, state := range r.Redis {
		if state.Enabled && !state.Connected {
			fmt.Fprintf(w, "Node %d had no connection to Redis in the end: %s\n", i+1, state.Error)
		}
	}
	fmt.Fprintf(w, "Not counted: %s reads of nodes that watch for an update.\n\n",
		count(int(r.Watch.Local+r.Watch.Redis+r.Watch.Loader)))

	r.times().print(w)
	fmt.Fprint(w, replacedNote)

	checks := table{}
	for _, c := range r.Checks {
		checks = append(checks, []string{c.verdict(), c.Name, c.Detail})
	}
	checks.printLeft(w)
}

// The service that this one replaces answered its voice webhook in these
// times, by its own account.
const (
	replacedCold = "100–200 ms"
	replacedWarm = "10–30 ms"
	replacedNote = "* what the documents of the service that this one replaces say of its whole answer; not measured here\n\n"
)

// times is the table of durations.
func (r *report) times() table {
	lines := table{{"round trip, as the client sees it", "count", "p50", "p99", "max", ""}}
	for _, e := range endpoints {
		lines = append(lines, r.Endpoints[e].cells(string(e), ""))
	}
	return append(lines,
		[]string{"in the node", "", "", "", "", "replaced *"},
		r.ColdCall.cells("voice webhook: cold, a cache went to the database", replacedCold),
		r.WarmCall.cells("  warm, none did", replacedWarm),
		r.Lookup[tiered.SourceLoader.String()].cells("look-ups of a text: as far as the database", ""),
		r.Lookup[tiered.SourceRedis.String()].cells("  as far as Redis", ""),
		r.Lookup[tiered.SourceLocal.String()].cells("  local tier", ""),
		[]string{"on the other nodes, which look every 0.1 ms or so", "", "", "", "", ""},
		r.Published.cells("a bare PUBLISH arrives after", ""),
		r.UpdateOld.cells("update: the last read of the old value began after", ""),
		r.UpdateStale.cells("  the first that found it gone", ""),
		r.UpdateVisible.cells("  and have the new one after", ""),
		r.NewLeadOld.cells("new lead: the last read that found none began after", ""),
		r.NewLeadStale.cells("  the first that did not", ""),
		r.NewLeadVisible.cells("  and have it after", ""),
	)
}

func (c check) verdict() string {
	if c.OK {
		return "ok"
	}
	return "FAILED"
}

func (k keyspaceStats) cells(name string) []string {
	n := func(v uint64) string { return count(int(v)) }
	return []string{name, n(k.Gets), n(k.LocalHits), n(k.RedisHits), n(k.Loads), n(k.Shared), percent(k.HitRate)}
}

func (s summary) cells(name, note string) []string {
	if s.Count == 0 {
		return []string{name, "0", "–", "–", "–", note}
	}
	return []string{name, count(s.Count), short(s.P50), short(s.P99), short(s.Max), note}
}
