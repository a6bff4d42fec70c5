//go:build unix

package outage

import "time"

// A clock counts from the beginning of a run, with the monotonic clock.
type clock struct{ origin time.Time }

func (c clock) now() time.Duration { return time.Since(c.origin) }

// A span is from one time of a run to another.
type span struct{ start, end time.Duration }

func (s span) length() time.Duration { return s.end - s.start }

// overlap returns how much of s is within o.
func (s span) overlap(o span) time.Duration {
	return max(0, min(s.end, o.end)-max(s.start, o.start))
}

// has reports whether t is within s.
func (s span) has(t time.Duration) bool { return s.start <= t && t < s.end }
