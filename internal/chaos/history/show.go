package history

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// shownBefore and shownAfter say how much of a key's history is shown around a
// violation.
const (
	shownBefore = 2 * time.Second
	shownAfter  = 200 * time.Millisecond
)

// Show writes what happened to the key of a violation around it, in the order
// of time; zero of the times is origin. Answers that repeat the one before on
// the same node are left out.
func Show(w io.Writer, h *History, v Violation, origin Time) {
	type line struct {
		at   Time
		text string
	}
	var lines []line
	since := func(t Time) time.Duration { return time.Duration(t - origin).Round(10 * time.Microsecond) }
	in := func(t Time) bool {
		return v.Read.Start == 0 || t > v.Read.Start-Time(shownBefore) && t < v.Read.End+Time(shownAfter)
	}
	for _, x := range h.Writes {
		if x.Key == v.Key && (in(x.Start) || x.Version == v.Want || x.Version == v.Read.Version) {
			acked := "never acknowledged"
			if x.Acked != 0 {
				acked = fmt.Sprintf("acknowledged %v", since(x.Acked))
			}
			lines = append(lines, line{x.Start, fmt.Sprintf("node %d wrote version %d, committed %v, %s",
				x.Node, x.Version, since(x.Committed), acked)})
		}
	}
	reads := slices.DeleteFunc(slices.Clone(h.Reads), func(x Read) bool { return x.Key != v.Key || !in(x.Start) })
	slices.SortFunc(reads, func(a, b Read) int { return cmp.Compare(a.Start, b.Start) })
	last := make(map[int]int64)
	for _, x := range reads {
		if before, ok := last[x.Node]; !ok || before != x.Version || x == v.Read {
			mark := ""
			if x == v.Read {
				mark = " ← " + string(v.Kind)
			}
			lines = append(lines, line{x.Start, fmt.Sprintf("node %d read version %d, bound %v%s", x.Node, x.Version, x.Bound, mark)})
		}
		last[x.Node] = x.Version
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	fmt.Fprintln(w, v)
	for _, l := range lines {
		fmt.Fprintf(w, "  %12v  %s\n", since(l.at), l.text)
	}
}
