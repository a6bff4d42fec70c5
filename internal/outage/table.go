//go:build unix

package outage

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// legend explains the columns.
const legend = `
local, Redis: hits there     peak: most loads within %v, in the first %v; later: after those
wait: the longest for Redis, once for each reader; again, times: the others
back: until Redis was used again     pause, busy: readers held up by the machine
*: too busy, and therefore repeated; counts for what is not about time

`

// Print writes the figures as a table, and one line for each check.
func (r *Result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tgets/s\tlocal/s\tRedis/s\tloads/s\tqueries/s\tpeak\tlater\terrors\twait\tagain\ttimes\tback\tpause\tbusy\t")
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%s\t%s\t%.0f %%\t\n", f.label(),
			f.rate(f.gets), f.rate(f.localHits), f.rate(f.redisHits), f.rate(f.loads), f.rate(f.queries),
			f.first, f.later, f.errors, milliseconds(f.once), milliseconds(f.again), f.others,
			f.used(), milliseconds(f.pause), 100*f.busy)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, legend, r.config.MaxStale, firstMoments(r.config.MaxStale))
	for _, c := range r.Checks() {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", c.Promise, c.Worst, c.Verdict); err != nil {
			return err
		}
	}
	return nil
}

func (f Figures) rate(n uint64) string { return fmt.Sprintf("%.0f", float64(n)/f.length().Seconds()) }

func (f Figures) label() string {
	if f.repeated {
		return f.name + " *"
	}
	return f.name
}

func (f Figures) used() string {
	if f.state != back {
		return "–"
	}
	return milliseconds(f.recovery)
}

// Verdict returns the worst of all checks.
func (r *Result) Verdict() Verdict {
	worst := Kept
	for _, c := range r.Checks() {
		worst = max(worst, c.Verdict)
	}
	return worst
}
