//go:build unix

package outage

import (
	"fmt"
	"time"
)

const (
	// recoveryLimit is how long Redis may be back without being used.
	recoveryLimit = time.Second

	// jitter is the share of the keys that may be loaded twice in a MaxStale.
	// A load is due no earlier than that after the last, but begins when the
	// scheduler lets it.
	jitter = 0.02
)

// promises returns what a run with these settings is held otherst.
func (c Config) promises() []promise {
	always, after, during := []state{untouched, away, back}, []state{away, back}, []state{away}
	all := c.Keys * c.Nodes
	later := all + int(jitter*float64(all)) + c.Nodes*int(1+c.MaxStale/writeEvery) // a change is a reason to load
	first := later + all
	recovery := min(recoveryLimit, c.Phase) // a Redis that is not used again takes the whole phase
	promises := []promise{
		{"no error reaches a caller", always, nothing, func(f Figures) finding { return none(f.errors) }},
		{"no answer is older than MaxStale", always, nothing, func(f Figures) finding { return none(f.old) }},
		{
			"without Redis, each node loads each key", during, nothing,
			func(f Figures) finding {
				return finding{size: 1 / float64(1+f.loads), broken: f.loads < uint64(all), text: fmt.Sprint(f.loads, " loads")}
			},
		},
		{
			fmt.Sprintf("a wait for Redis is no longer than %v", c.Limit+slack), after, blurred,
			func(f Figures) finding {
				d := max(f.once, f.again)
				return finding{d.Seconds(), d > c.Limit+slack, milliseconds(d)}
			},
		},
		{
			"and no reader waits twice, nor later than the first moments", during, blurred,
			func(f Figures) finding {
				return finding{f.again.Seconds(), f.others > 0, fmt.Sprintf("%d waits, %s", f.others, milliseconds(f.again))}
			},
		},
		{
			fmt.Sprintf("no more than %d loads in %v at first", first, c.MaxStale), after, nothing,
			func(f Figures) finding {
				return finding{size: float64(f.first), broken: f.first > first, text: fmt.Sprint(f.first)}
			},
		},
		{
			fmt.Sprintf("Redis is used again within %v", recovery),
			[]state{back},
			slower,
			func(f Figures) finding {
				return finding{f.recovery.Seconds(), f.recovery > recovery, milliseconds(f.recovery)}
			},
		},
	}
	if c.Phase >= firstMoments(c.MaxStale)+c.MaxStale {
		promises = append(promises, promise{
			fmt.Sprintf("no more than %d loads in %v later", later, c.MaxStale), after, nothing,
			func(f Figures) finding {
				return finding{size: float64(f.later), broken: f.later > later, text: fmt.Sprint(f.later)}
			},
		})
	}
	return promises
}

// none is a finding about what there must be none of.
func none(n uint64) finding { return finding{size: float64(n), broken: n > 0, text: fmt.Sprint(n)} }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
