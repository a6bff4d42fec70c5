package bench

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
)

// A wire counts what arrives at the Redis that the benchmarks use, by what the
// server says of itself. Nobody else may be using it.
type wire struct{ client rueidis.Client }

func newWire(b *testing.B) wire {
	b.Helper()
	option, err := rueidis.ParseURL(servertest.RedisURL(b))
	if err != nil {
		b.Fatal("the Redis URL does not parse") // err may hold its password
	}
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return wire{client}
}

// A traffic is what has arrived so far.
type traffic struct {
	reads int64            // of the server from its connections
	calls map[string]int64 // of each command, those in scripts included
}

func (w wire) now(b *testing.B) traffic {
	b.Helper()
	info, err := w.client.Do(b.Context(), w.client.B().Info().Section("stats", "commandstats").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	t := traffic{calls: make(map[string]int64)}
	for line := range strings.SplitSeq(info, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value, _, _ = strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		n, err := strconv.ParseInt(value, 10, 64)
		if command, ok := strings.CutPrefix(name, "cmdstat_"); ok && err == nil {
			t.calls[command] = n
		}
		if name == "total_reads_processed" && err == nil {
			t.reads = n
		}
	}
	if t.reads == 0 || t.calls["info"] == 0 {
		b.Fatal("INFO says nothing of reads or commands")
	}
	return t
}

// since returns what has arrived since before.
func (t traffic) since(before traffic) traffic {
	diff := traffic{reads: t.reads - before.reads, calls: make(map[string]int64)}
	for command, n := range t.calls {
		diff.calls[command] = n - before.calls[command]
	}
	return diff
}

// roundTrips returns how often callers sent something, one alone or several
// together: with one caller, the round trips it waited for; with many, how well
// they share them. What sends by itself does not count: the beat of a node is an
// EVAL, the sign of life of an idle connection a PING that is behind nothing else
// (behind a script or a SET it may be); and one INFO asked.
func (t traffic) roundTrips() int64 {
	idle := max(0, t.calls["ping"]-t.calls["evalsha"]-t.calls["set"])
	return t.reads - t.calls["eval"] - idle - t.calls["info"]
}

// checkRoundTrips reports an error unless asks took at most so many round trips
// each, but for one in a hundred, or two: a signal of life, and the PING of a fill
// that has not heard the echo of its lease, as the load took no time at all.
func (t traffic) checkRoundTrips(b *testing.B, asks, most int64) {
	b.Helper()
	if n := t.roundTrips(); n > most*asks+max(2, asks/100) {
		b.Errorf("%d round trips for %d calls, want at most %d each: %+v", n, asks, most, t)
	}
}

func (t traffic) reportRoundTrips(b *testing.B, asks int64) {
	b.Helper()
	b.ReportMetric(float64(t.roundTrips())/float64(asks), "round-trips/op")
}

// unlink removes what is kept in Redis under keys.
func (w wire) unlink(b *testing.B, prefix string, keys []string) {
	b.Helper()
	for some := range slices.Chunk(keys, 1000) {
		names := make([]string, len(some))
		for i, key := range some {
			names[i] = prefix + key
		}
		if err := w.client.Do(b.Context(), w.client.B().Unlink().Key(names...).Build()).Error(); err != nil {
			b.Fatal(err)
		}
	}
}
