//go:build unix

package churn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
)

// small is a run that a busy machine can do with the race detector.
var small = Config{Duration: 3 * time.Second, Entries: 100, Keys: 1000, Readers: 8}

func skipIfMissing(t *testing.T, err error) {
	t.Helper()
	if _, missing := errors.AsType[*server.MissingError](err); missing {
		t.Skip(err)
	}
}

// TestRun holds a run against what is true on any machine. How flat three
// seconds are, and how much happens in them, is none of that.
func TestRun(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), small)
	skipIfMissing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Print(t.Output()); err != nil {
		t.Error(err)
	}
	if c := r.answers(); !c.Kept {
		t.Errorf("%s: %s", c.Promise, c.Seen)
	}
	if len(r.Samples) == 0 || r.leadLoads == 0 || r.briefLoads == 0 || r.sessions <= 2*nodes {
		t.Errorf("%d samples, %d and %d loads, %d sessions: too little has happened", len(r.Samples), r.leadLoads, r.briefLoads, r.sessions)
	}
	for _, s := range r.Samples {
		if s.Live == 0 || s.Objects == 0 || s.Goroutines == 0 || s.RSS == 0 || s.Redis == 0 || s.Entries > nodes*(small.Entries+briefKeys) {
			t.Errorf("sample %+v, want something of each, and no more entries than there is room for", s)
		}
	}
	if !slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.Keys > 0 && s.Entries > 0 }) {
		t.Error("nothing is ever in Redis")
	}
}

// TestRunEnds: whoever has enough does not wait for the end.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c := small
	c.Duration = time.Hour
	_, err := Run(ctx, c)
	skipIfMissing(t, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		c    Config
		want string
	}{
		{"no time", Config{Duration: time.Millisecond}, "duration"},
		{"no room", Config{Entries: -1}, "entries"},
		{"room for all", Config{Entries: 1000, Keys: 1999}, "keys"},
		{"nobody reads", Config{Readers: -1}, "readers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Run(t.Context(), test.c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v, want something about %q", err, test.want)
			}
		})
	}
}
