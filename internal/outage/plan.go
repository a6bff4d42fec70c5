//go:build unix

package outage

import (
	"context"
	"fmt"
	"time"

	"leadcache/internal/proxy"
)

// A state is how Redis is during a phase.
type state int

const (
	untouched state = iota
	away            // it does not answer
	back            // it answers again
)

// A step begins a phase.
type step struct {
	name  string
	state state
	take  func(context.Context, *stage) error
}

// A round is steps that are taken again if the machine was too busy meanwhile.
type round []step

// rounds are what happens to Redis, in turn.
var rounds = []round{
	{{"before", untouched, does(func(*stage) {})}},
	{
		{"killed", away, does(func(s *stage) { s.redis.Kill() })},
		{"restarted", back, func(ctx context.Context, s *stage) error { return s.redis.Restart(ctx) }},
	},
	{
		{"stopped", away, does(func(s *stage) { s.redis.Pause() })},
		{"continued", back, does(func(s *stage) { s.redis.Resume() })},
	},
	{
		{"network cut", away, does(func(s *stage) { s.network.Refuse(); s.network.Cut() })},
		{"restored", back, does(func(s *stage) { s.network.Restore() })},
	},
	{
		{"network silent", away, does(func(s *stage) { s.network.Freeze(proxy.Both) })},
		// What was sent meanwhile is lost.
		{"heard again", back, does(func(s *stage) { s.network.Cut(); s.network.Thaw(proxy.Both) })},
	},
	{{"after", untouched, does(func(*stage) {})}},
}

func does(do func(*stage)) func(context.Context, *stage) error {
	return func(_ context.Context, s *stage) error {
		do(s)
		return nil
	}
}

// A phase is what has followed a step.
type phase struct {
	step
	span
	counts
	recovery time.Duration // from the step until Redis was used again
	busy     float64       // share of the phase in which a pause would hide a wait for Redis
	repeated bool          // because of that: what is said of time is said of the next
}

// tries is how often a round is taken at most. Arbitrary.
const tries = 3

// take takes all rounds. Each step is passed to pass.
func take(rounds []round, pass func(step) (phase, error)) (all []phase, err error) {
	for _, round := range rounds {
		for try := range tries {
			var busy bool
			for _, step := range round {
				p, err := pass(step)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", step.name, err)
				}
				busy = busy || p.state != untouched && p.busy >= tooBusy
				all = append(all, p)
			}
			if !busy || try == tries-1 {
				break
			}
			for i := range round {
				all[len(all)-1-i].repeated = true
			}
		}
	}
	return all, nil
}
