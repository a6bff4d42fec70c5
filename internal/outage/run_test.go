//go:build unix

package outage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
)

// small is a run that a busy machine can do with the race detector.
var small = Config{Nodes: 2, Readers: 8, Keys: 50, Phase: 1500 * ms, MaxStale: 250 * ms}

func skipIfMissing(t *testing.T, err error) {
	t.Helper()
	if _, missing := errors.AsType[*server.MissingError](err); missing {
		t.Skip(err)
	}
}

// TestRun holds a run otherst what is true on any machine: the figures are
// there, the faults are, and no reader notices anything but time.
func TestRun(t *testing.T) {
	t.Parallel()
	result, err := Run(t.Context(), small)
	skipIfMissing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Print(t.Output()); err != nil {
		t.Error(err)
	}
	all := uint64(small.Keys * small.Nodes)
	for _, f := range result.Figures {
		if f.gets == 0 || f.errors > 0 || f.old > 0 {
			t.Errorf("%s: %d gets, %d errors, %d old answers, want some and none", f.name, f.gets, f.errors, f.old)
		}
		if f.state == away && (f.loads < all || f.queries < all) {
			t.Errorf("%s: %d loads and %d queries, want at least %d", f.name, f.loads, f.queries, all)
		}
		if f.state == away && f.first == 0 {
			t.Errorf("%s: no peak of loads", f.name)
		}
		if f.state == back && f.recovery == 0 {
			t.Errorf("%s: Redis was used again in no time", f.name)
		}
	}
	if last := result.Figures[len(result.Figures)-1]; last.redisHits == 0 {
		t.Error("Redis is not used in the end")
	}
}

// TestRunNeverBack: also a phase that is shorter than Redis may take shows that
// it was not used again.
func TestRunNeverBack(t *testing.T) {
	t.Parallel()
	c := small
	c.Phase = 2 * c.MaxStale
	result, err := runRounds(t.Context(), c, []round{{
		{"killed", away, does(func(s *stage) { s.redis.Kill() })},
		{"left alone", back, does(func(*stage) {})},
	}})
	skipIfMissing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Checks() {
		if strings.Contains(c.Promise, "used again") && c.Verdict == Kept {
			t.Errorf("%s: %s: %v, want that it is not", c.Promise, c.Worst, c.Verdict)
		}
	}
}

// TestRunEnds: whoever has enough does not wait for the phases to pass.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := small
	c.Phase = time.Second
	_, err := runRounds(ctx, c, []round{{
		{"before", untouched, does(func(*stage) {})},
		{"stopped", away, does(func(s *stage) { s.redis.Pause(); cancel() })},
		{"never", untouched, does(func(*stage) { t.Error("the run went on") })},
	}})
	skipIfMissing(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("runRounds = %v, want %v", err, context.Canceled)
	}
}

// TestRunFails: a fault that could not be mended is no result.
func TestRunFails(t *testing.T) {
	t.Parallel()
	c := small
	c.Phase = c.MaxStale
	want := errors.New("the port is taken")
	_, err := runRounds(t.Context(), c, []round{{
		{"killed", away, does(func(s *stage) { s.redis.Kill() })},
		{"restarted", back, func(context.Context, *stage) error { return want }},
	}})
	skipIfMissing(t, err)
	if !errors.Is(err, want) {
		t.Errorf("runRounds = %v, want %v", err, want)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		c    Config
		want string
	}{
		{"one node", Config{Nodes: 1}, "nodes"},
		{"fewer readers than nodes", Config{Nodes: 4, Readers: 3}, "readers"},
		{"keys below zero", Config{Keys: -1}, "keys"},
		{"short phases", Config{Phase: 999 * ms}, "phases"},
		{"a limit that cannot be measured", Config{Limit: 2 * slack}, "limit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Run(t.Context(), test.c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v, want something about %q", err, test.want)
			}
		})
	}
}
