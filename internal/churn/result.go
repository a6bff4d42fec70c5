//go:build unix

package churn

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A Result is what a run has shown.
type Result struct {
	Samples []Sample
	config  Config

	failures                        int
	first                           error
	reads, absent, left, pending    uint64
	invalidated, tagged             uint64
	evicted, pushes, briefLoads     uint64
	sessions                        uint64
	localHits, redisHits, leadLoads uint64
}

// result is called when all readers have ended.
func (r *run) result(samples []Sample) *Result {
	c := &r.counts
	result := &Result{
		Samples: samples, config: r.config, failures: c.failures, first: c.first,
		reads: c.reads.Load(), absent: c.absent.Load(), left: c.left.Load(), pending: c.pending.Load(),
		invalidated: c.invalidated.Load(), tagged: c.tagged.Load(),
	}
	for _, n := range r.nodes {
		s, brief := n.leads.Stats(), n.brief.Stats()
		result.evicted += s.Evictions
		result.pushes += s.Pushes
		result.localHits += s.LocalHits
		result.redisHits += s.RedisHits
		result.leadLoads += s.Loads
		result.briefLoads += brief.Loads
		result.sessions += n.redis.Status().Sessions
	}
	return result
}

// Print writes the samples as a table, and one line for each check.
func (r *Result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "at\tlive heap\tin use\tobjects\tgoroutines\tRSS\tentries\tRedis\tkeys\treads/s\t")
	before := Sample{}
	for _, s := range r.Samples {
		fmt.Fprintf(t, "%.1f s\t%s\t%s\t%d\t%d\t%s\t%d\t%s\t%d\t%.0f\t\n", s.At.Seconds(), megabytes(float64(s.Live)), megabytes(float64(s.Heap)), s.Objects, s.Goroutines,
			megabytes(float64(s.RSS)), s.Entries, megabytes(float64(s.Redis)), s.Keys,
			float64(s.Reads-before.Reads)/(s.At-before.At).Seconds())
		before = s
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d reads: %d local hits, %d from Redis, %d loads, %d of short-lived values, %d absent, %d callers who left\n",
		r.reads, r.localHits, r.redisHits, r.leadLoads, r.briefLoads, r.absent, r.left)
	fmt.Fprintf(w, "%d keys and %d tags invalidated, %d times pending; %d entries evicted, %d ended by a push\n",
		r.invalidated, r.tagged, r.pending, r.evicted, r.pushes)
	for _, c := range r.Checks() {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", c.Promise, c.Seen, c.verdict()); err != nil {
			return err
		}
	}
	return nil
}

func megabytes(n float64) string { return fmt.Sprintf("%.1f MB", n/(1<<20)) }
