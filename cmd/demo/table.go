package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
	fmt.Fprintf(w, "                  %s messages, %s reads, %s updates\n",
		count(r.Requests.Messages), count(r.Requests.Reads), count(r.Requests.Updates))
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

	times := table{{"time", "count", "p50", "p99", "max"}}
	times = append(times,
		r.Lookup[tiered.SourceLocal.String()].cells("look-ups in the node: local tier"),
		r.Lookup[tiered.SourceRedis.String()].cells("  as far as Redis"),
		r.Lookup[tiered.SourceLoader.String()].cells("  as far as the database"),
		r.RoundTrip.cells("message and answer over WebSocket"),
		r.UpdateStale.cells("update: other nodes serve the old value for"),
		r.UpdateVisible.cells("  and have the new one after"),
		r.NewLeadStale.cells("new lead: other nodes say there is none for"),
		r.NewLeadVisible.cells("  and have it after"),
	)
	times.print(w)
	fmt.Fprintln(w)

	checks := table{}
	for _, c := range r.Checks {
		checks = append(checks, []string{c.verdict(), c.Name, c.Detail})
	}
	checks.printLeft(w)
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

func (s summary) cells(name string) []string {
	if s.Count == 0 {
		return []string{name, "0", "–", "–", "–"}
	}
	return []string{name, count(s.Count), short(s.P50), short(s.P99), short(s.Max)}
}

// A table is lines of cells, as many in each.
type table [][]string

// print aligns the first column left and the others right.
func (t table) print(w io.Writer) {
	widths := t.widths()
	for _, line := range t {
		fmt.Fprintf(w, "%-*s", widths[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(w, "   %*s", widths[i+1], cell)
		}
		fmt.Fprintln(w)
	}
}

// printLeft aligns every column left.
func (t table) printLeft(w io.Writer) {
	widths := t.widths()
	for _, line := range t {
		last := len(line) - 1
		for i, cell := range line[:last] {
			fmt.Fprintf(w, "%-*s  ", widths[i], cell)
		}
		fmt.Fprintln(w, line[last])
	}
}

func (t table) widths() []int {
	var widths []int
	for _, line := range t {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// count writes n with commas.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent writes a share with one digit, rounded down: only all is 100.0 %.
func percent(share float64) string {
	return fmt.Sprintf("%.1f %%", float64(int(share*1000))/10)
}

// short writes a duration with three digits.
func short(d time.Duration) string {
	if d < time.Microsecond {
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	}
	v, unit := float64(d)/1e3, "µs"
	for _, next := range []string{"ms", "s"} {
		if v >= 999.5 { // would be written with four digits
			v, unit = v/1e3, next
		}
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
