//go:build unix

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
)

// run runs and fails the test on a violation.
func run(t *testing.T, c Config) *Result {
	t.Helper()
	c.Stderr = t.Output()
	c.Seed = uint64(rand.Uint32())
	t.Logf("seed %d (make chaos SEED=… replays the schedule)", c.Seed)
	result, err := Run(t.Context(), c)
	if _, missing := errors.AsType[*server.MissingError](err); missing {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
	if len(result.Violations) > 0 {
		var text strings.Builder
		result.Explain(&text)
		t.Errorf("promises were broken:\n%s", text.String())
	}
	return result
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := run(t, Config{Duration: 6 * time.Second, Nodes: 3})
	if r.Reads == 0 || r.Writes == 0 || r.Faults == 0 || len(r.history.Leads) == 0 {
		t.Errorf("Run = %v with %d answers about leads, want some of each", r, len(r.history.Leads))
	}
	if len(r.history.Rows) == 0 {
		t.Error("Run made no lead")
	}
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Duration: time.Hour, Nodes: 1}); !errors.Is(err, context.Canceled) {
		if _, missing := errors.AsType[*server.MissingError](err); !missing {
			t.Errorf("Run = %v, want %v", err, context.Canceled)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	good := Config{Duration: time.Second, Nodes: 1}
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no nodes", func(c *Config) { c.Nodes = 0 }, "nodes"},
		{"no time", func(c *Config) { c.Duration = 0 }, "duration"},
		{"an unknown plan", func(c *Config) { c.Plan = "none" }, "plan"},
		{"an unknown guard", func(c *Config) { c.Plan, c.Break = "all", "none" }, "guard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := good
			test.change(&c)
			if err := c.withDefaults().validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("validate = %v, want something about %q", err, test.want)
			}
		})
	}
	if err := good.withDefaults().validate(); err != nil {
		t.Errorf("validate = %v, want nil", err)
	}
}

// TestRunRefusesToBreakAUsersBuild: a guard that is not really off would look
// like one that nothing catches.
func TestRunRefusesToBreakAUsersBuild(t *testing.T) {
	t.Parallel()
	if breakable {
		t.Skip("this build has guards that can be switched off")
	}
	c := Config{Duration: time.Second, Nodes: 1, Break: Guards[0]}.withDefaults()
	if err := c.validate(); err == nil {
		t.Error("validate = nil, want an error that names the build tag")
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	for _, guard := range Guards {
		if _, ok := plans[guard]; !ok {
			t.Errorf("the guard %s has no plan", guard)
		}
	}
	for name, p := range plans {
		if len(p.Families) == 0 || p.Keys == 0 {
			t.Errorf("%s: no keys", name)
		}
		lane := make(map[string]int)
		for i, l := range p.Lanes {
			if l.Pause <= 0 {
				t.Errorf("%s: a lane without pause", name)
			}
			for _, f := range l.Faults {
				if faults[f] == nil {
					t.Errorf("%s: there is no fault %s", name, f)
				}
				if other, ok := lane[f]; ok && other != i {
					t.Errorf("%s: %s is in two lanes", name, f)
				}
				lane[f] = i
			}
		}
	}
	for name := range faults {
		if !slices.ContainsFunc(plans["all"].Lanes, func(l lane) bool { return slices.Contains(l.Faults, name) }) {
			t.Errorf("all: %s is never drawn", name)
		}
	}
}
