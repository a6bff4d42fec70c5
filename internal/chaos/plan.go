//go:build unix

package chaos

import (
	"fmt"
	"slices"
	"time"

	"leadcache/internal/chaos/node"
)

// A plan says what nodes do and what happens to them.
type plan struct {
	Families  []node.Family // keys are dealt to these in turn
	Keys      int
	Untracked bool // the connections speak RESP2: purges alone tell of changes
	Load      node.Load
	Foreign   time.Duration // the foreign program's pause between two changes; 0: there is none

	// Faults of one lane come one after the other, those of several lanes
	// at once.
	Lanes []lane
}

// A lane is a list of faults to draw from, and the pause between two, on
// average.
type lane struct {
	Faults []string
	Pause  time.Duration
}

// everyday is a load that two processors bear.
var everyday = node.Load{
	Readers: 4, ReadPause: 6 * time.Millisecond,
	Writers: 1, WritePause: 100 * time.Millisecond,
	SlowLoads: 0.2, SlowBy: 60 * time.Millisecond,
	Leads: true,
}

// with returns a load that differs.
func with(change func(*node.Load)) node.Load {
	l := everyday
	change(&l)
	return l
}

var (
	nodeLane = lane{
		[]string{"cut", "refuse", "freeze", "freeze-to", "freeze-from", "delay", "lose", "lose-purges", "stop-node", "kill-node"},
		200 * time.Millisecond,
	}
	databaseLane = lane{
		[]string{"slow-database", "cut-database", "freeze-database", "stop-database", "kill-database"},
		2 * time.Second,
	}
	// harmless are faults of Redis after which no deleted value is back.
	harmless = []string{
		"kill-redis", "stop-redis", "flush", "kill-normal", "kill-pubsub", "evict", "tiny-tracking-table",
	}
)

// plans by name. Those named after a guard are for a build without it, and hold
// with it.
var plans = map[string]plan{
	"all": {
		Families: []node.Family{node.Framed, node.Tagged, node.Foreign, node.Exact}, Keys: 40,
		Load: everyday, Foreign: 100 * time.Millisecond,
		Lanes: []lane{
			{slices.Concat(harmless, []string{"restore-snapshot", "promote"}), 300 * time.Millisecond},
			nodeLane, databaseLane,
		},
	},
	// A plain value does not say in which life of the server it was written.
	"plain": {
		Families: []node.Family{node.Plain}, Keys: 30,
		Load:  everyday,
		Lanes: []lane{{harmless, 300 * time.Millisecond}, nodeLane, databaseLane},
	},
	"untracked": {
		Families: []node.Family{node.Framed, node.Tagged}, Keys: 30, Untracked: true,
		Load: everyday,
		Lanes: []lane{
			{slices.Concat(harmless, []string{"restore-snapshot", "promote"}), 300 * time.Millisecond},
			nodeLane, databaseLane,
		},
	},

	// A connection that says nothing: only the lease ends before it is given up.
	"lease": {
		Families: []node.Family{node.Framed}, Keys: 20,
		Load:  everyday,
		Lanes: []lane{{[]string{"freeze-from", "freeze", "freeze-to"}, 300 * time.Millisecond}},
	},
	// Without Redis, loads that began before the node's own change must not be
	// kept after it: no fill lease is there to refuse them.
	"ticket": {
		Families: []node.Family{node.Framed}, Keys: 12,
		Load: with(func(l *node.Load) {
			l.WritePause, l.SlowLoads, l.SlowBy = 25*time.Millisecond, 0.7, 120*time.Millisecond
		}),
		Lanes: []lane{{[]string{"stop-redis", "kill-redis"}, 200 * time.Millisecond}},
	},
	// Fills that come late, again and again.
	"fence": {
		Families: []node.Family{node.Framed, node.Tagged}, Keys: 20,
		Load: with(func(l *node.Load) { l.SlowLoads, l.SlowBy = 0.7, 200*time.Millisecond }),
	},
	// Purges get lost, and nothing is tracked.
	"sequence": {
		Families: []node.Family{node.Framed}, Keys: 40, Untracked: true,
		Load:  everyday,
		Lanes: []lane{{[]string{"lose-purges"}, 200 * time.Millisecond}},
	},
	// A node is away for a moment and knows nothing of what changed meanwhile.
	// There are so many keys that it does not ask for most of them before it is
	// back.
	"session": {
		Families: []node.Family{node.Framed}, Keys: 150,
		Load:  with(func(l *node.Load) { l.ReadPause, l.WritePause = 10*time.Millisecond, 20*time.Millisecond }),
		Lanes: []lane{{[]string{"refuse", "cut"}, 700 * time.Millisecond}},
	},
	// Only tracking tells of what a foreign program deletes.
	"retrack": {
		Families: []node.Family{node.Foreign}, Keys: 20,
		Load: everyday, Foreign: 50 * time.Millisecond,
	},
	// Redis comes back with what it had been told to delete.
	"life": {
		Families: []node.Family{node.Framed, node.Tagged}, Keys: 60,
		Load:  everyday,
		Lanes: []lane{{[]string{"restore-snapshot", "promote"}, time.Second}},
	},
}

// Guards are the guards that can be switched off.
var Guards = []string{"lease", "ticket", "fence", "sequence", "session", "retrack", "life"}

// keys returns the keys with their families.
func (p plan) keys() []node.Key {
	keys := make([]node.Key, p.Keys)
	for i := range keys {
		family := p.Families[i%len(p.Families)]
		keys[i] = node.Key{Name: fmt.Sprintf("%s-%03d", family, i/len(p.Families)), Family: family}
	}
	return keys
}

func (p plan) needsSpare() bool {
	return slices.ContainsFunc(p.Lanes, func(l lane) bool { return slices.Contains(l.Faults, "promote") })
}
