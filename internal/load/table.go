//go:build unix

package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// labelWidth lets labels stand at the left of what is aligned to the right.
const labelWidth = 38

// A row is one line of the table.
type row struct {
	label string
	cell  func(Figures) string
}

func (r *Result) rows() []row {
	return []row{
		{"conversations, each with a connection", func(f Figures) string { return fmt.Sprint(f.conversations) }},
		{"texts asked for, per second", func(Figures) string { return fmt.Sprintf("%.0f", r.config.rate()) }},
		{"texts answered, per second", func(f Figures) string { return fmt.Sprintf("%.0f", f.rate()) }},
		{"errors", func(f Figures) string { return fmt.Sprint(f.errors) }},
		{"latency p50", func(f Figures) string { return milliseconds(percentile(f.latencies, 50)) }},
		{"latency p99", func(f Figures) string { return milliseconds(percentile(f.latencies, 99)) }},
		{"customers late by themselves, p99", func(f Figures) string { return milliseconds(percentile(f.late, 99)) }},
		{"queries to Postgres, per second", func(f Figures) string { return fmt.Sprintf("%.0f", float64(f.Queries)/f.duration.Seconds()) }},
		{"queries to Postgres, per text", func(f Figures) string { return fmt.Sprintf("%.2f", f.perText(float64(f.Queries))) }},
		{"look-ups answered by the local tier", func(f Figures) string { return percent(f.local()) }},
		{"", nil},
		{"CPU of the server", func(f Figures) string { return fmt.Sprintf("%.2f cores", f.CPU.Seconds()/f.duration.Seconds()) }},
		{"CPU per text", func(f Figures) string { return microseconds(f.perText(float64(f.CPU))) }},
		{"CPU share of look-ups", func(f Figures) string { return percent(f.share(lookups)) }},
		{"  of storing texts", func(f Figures) string { return percent(f.share(storing)) }},
		{"  of WebSockets and JSON", func(f Figures) string { return percent(f.share(sockets)) }},
		{"  of the connection to Redis", func(f Figures) string { return percent(f.share(link)) }},
		{"  of garbage collection", func(f Figures) string { return percent(f.share(garbage)) }},
		{"  of the scheduler and the rest", func(f Figures) string { return percent(f.share(others)) }},
		{"CPU of look-ups per text", func(f Figures) string { return microseconds(f.perText(f.share(lookups) * float64(f.CPU))) }},
		{"CPU of the customers", func(f Figures) string { return fmt.Sprintf("%.2f cores", f.ownCPU.Seconds()/f.duration.Seconds()) }},
		{"", nil},
		{"memory per conversation, RSS", func(f Figures) string { return kilobytes(f.perConversation(rss)) }},
		{"  Go heap in use", func(f Figures) string { return kilobytes(f.perConversation(heap)) }},
		{"  stacks", func(f Figures) string { return kilobytes(f.perConversation(stacks)) }},
		{"RSS with no conversation", func(f Figures) string { return megabytes(f.before.RSS) }},
		{"RSS with all of them", func(f Figures) string { return megabytes(f.after.RSS) }},
		{"goroutines per conversation", func(f Figures) string { return fmt.Sprintf("%.2f", f.perConversation(goroutines)) }},
	}
}

// Print writes the figures as a table, and one line for each check.
func (r *Result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\twithout the cache\twith the cache\t\n", labelWidth, "")
	for _, row := range r.rows() {
		if row.cell == nil {
			fmt.Fprintln(t, "\t\t\t")
			continue
		}
		fmt.Fprintf(t, "%-*s\t%s\t%s\t\n", labelWidth, row.label, row.cell(r.Without), row.cell(r.With))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range r.Checks() {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", c.Promise, c.Seen, c.Verdict); err != nil {
			return err
		}
	}
	return nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
func microseconds(ns float64) string      { return fmt.Sprintf("%.0f µs", ns/1e3) }
func percent(x float64) string            { return fmt.Sprintf("%.1f %%", 100*x) }
func kilobytes(n float64) string          { return fmt.Sprintf("%.1f KB", n/(1<<10)) }
func megabytes(n uint64) string           { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }
