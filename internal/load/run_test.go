//go:build unix

package load

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
)

// small is a run that a busy machine can do with the race detector.
var small = Config{Conversations: 50, Every: 500 * time.Millisecond, Duration: time.Second}

func skipIfMissing(t *testing.T, err error) {
	t.Helper()
	if _, missing := errors.AsType[*server.MissingError](err); missing {
		t.Skip(err)
	}
}

// TestRun holds a run against what is true on any machine.
func TestRun(t *testing.T) {
	t.Parallel()
	c := small
	c.Profiles, c.Stderr = t.TempDir(), t.Output()
	result, err := Run(t.Context(), c)
	skipIfMissing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Print(t.Output()); err != nil {
		t.Error(err)
	}
	for cached, f := range map[bool]Figures{false: result.Without, true: result.With} {
		if f.errors > 0 || len(f.latencies) == 0 || f.stored != f.sent || f.sent < 2*c.Conversations {
			t.Errorf("%s: %d errors (%v), %d answers, %d of %d texts stored", name(cached), f.errors, f.firstErr, len(f.latencies), f.stored, f.sent)
		}
		if f.CPU <= 0 || f.Queries == 0 || f.ownCPU <= 0 || f.perConversation(rss) <= 0 || f.perConversation(heap) <= 0 {
			t.Errorf("%s: figures are missing: %+v, %v, %v", name(cached), f.usage, f.before, f.after)
		}
		if g := f.perConversation(goroutines); g < 1 || g > 5 {
			t.Errorf("%s: %v goroutines per conversation, want 1 to 5", name(cached), g)
		}
		for _, kind := range []string{"-cpu.pprof", "-heap.pprof"} {
			if info, err := os.Stat(filepath.Join(c.Profiles, fileName(cached)+kind)); err != nil || info.Size() == 0 {
				t.Errorf("%s: no profile: %v", name(cached), err)
			}
		}
	}
	if f := result.Without; f.Local+f.Redis > 0 || f.Loads == 0 {
		t.Errorf("without the cache: %+v, want loads alone", f.usage)
	}
	if f := result.With; f.local() == 0 || f.perText(float64(f.Queries)) >= result.Without.perText(float64(result.Without.Queries)) {
		t.Errorf("with the cache: %+v, want local hits, and fewer queries per text than without it: %+v", f.usage, result.Without.usage)
	}
}

// TestRunEnds: whoever has enough does not wait for the end.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := small
	c.Duration = time.Hour
	c.Stderr = cancelAt{"a text every", cancel}
	_, err := Run(ctx, c)
	skipIfMissing(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

// A cancelAt cancels when it is told of something.
type cancelAt struct {
	text   string
	cancel context.CancelFunc
}

func (c cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return len(p), nil
}

// TestRunRefuses: a server that cannot work is no result.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		c    Config
		want string
	}{
		{"conversations below zero", Config{Conversations: -1}, "conversations"},
		{"more customers than numbers", Config{Conversations: maxCustomers + 1}, "conversations"},
		{"customers that are silent for too long", Config{Every: longestEvery + 1}, "every"},
		{"no time", Config{Duration: time.Millisecond}, "duration"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Run(t.Context(), test.c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v, want something about %q", err, test.want)
			}
		})
	}
}

// TestAllowFiles: what no machine allows is refused, with what it does allow.
func TestAllowFiles(t *testing.T) {
	t.Parallel()
	if err := allowFiles(1); err != nil {
		t.Errorf("allowFiles(1) = %v, want none", err)
	}
	err := allowFiles(math.MaxInt - otherFiles)
	if !errors.Is(err, ErrOpenFiles) || !strings.Contains(err.Error(), "enough for") || strings.Contains(err.Error(), "\n") {
		t.Errorf("allowFiles(too many) = %v, want %v in one line", err, ErrOpenFiles)
	}
}

func TestStartChildFails(t *testing.T) {
	t.Parallel()
	s, err := startChild(t.Context(), serverConfig{DatabaseURL: "no URL"}, t.Output())
	if err == nil {
		t.Fatal("startChild with no database returned no error", s.stop())
	}
	if !errors.Is(err, errEnded) {
		t.Errorf("startChild = %v, want %v", err, errEnded)
	}
}
