//go:build unix

package churn

import (
	"errors"
	"strings"
	"testing"
	"time"

	"leadcache/internal/footprint"
)

const mega = 1 << 20

// flat returns a run that passes every check, with samples that waver.
func flat() *Result {
	r := &Result{
		config: Config{}.withDefaults(), reads: 1000, invalidated: 10, tagged: 2, left: 3, sessions: 5,
		evicted: 20_000, briefLoads: 2 * briefKeys,
	}
	for i := range 60 {
		waver := uint64(i % 3)
		r.Samples = append(r.Samples, Sample{
			At: time.Duration(i+1) * 10 * time.Second,
			Footprint: footprint.Footprint{
				Live: (100 + waver) * mega, Objects: 1_000_000 + 10_000*waver, Goroutines: 30 + int(waver), RSS: 200 * mega,
			},
			Redis: (50 + 2*waver) * mega,
		})
	}
	return r
}

// grow changes each sample, whose place in the run is 0 to 1.
func (r *Result) grow(change func(s *Sample, place float64)) {
	for i := range r.Samples {
		change(&r.Samples[i], float64(i)/float64(len(r.Samples)-1))
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	heapTo := func(times float64) func(*Result) {
		return func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Live = uint64(float64(s.Live) * (1 + (times-1)*place)) })
		}
	}
	for _, test := range []struct {
		name   string
		change func(*Result)
		broken string // what the one check that fails is about; empty: none does
	}{
		{"flat", func(*Result) {}, ""},
		{"a heap that grows", heapTo(1.5), "heap"},
		{"a heap that shrinks", heapTo(0.5), "heap"},
		{"a heap that grows by less than can be seen", heapTo(1.05), ""},
		{"a heap that fills in the first third", func(r *Result) {
			r.grow(func(s *Sample, place float64) {
				if place < 0.33 {
					s.Live = uint64(float64(s.Live) * place)
				}
			})
		}, ""},
		{"objects", func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Objects += uint64(500_000 * place) })
		}, "objects"},
		{"a goroutine left behind every minute", func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Goroutines += int(10 * place) })
		}, ""},
		{"one every 30 seconds", func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Goroutines += int(20 * place) })
		}, "goroutines"},
		{"Redis", func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Redis += uint64(100 * mega * place) })
		}, "Redis"},
		{"Redis, which has been flushed", func(r *Result) {
			r.grow(func(s *Sample, place float64) { s.Redis -= uint64(40 * mega * place) })
		}, ""},
		{"one large sample", func(r *Result) { r.Samples[50].Live *= 10 }, ""},
		{"RSS", func(r *Result) { r.grow(func(s *Sample, place float64) { s.RSS += uint64(500 * mega * place) }) }, ""},
		{"a wrong answer", func(r *Result) { r.failures, r.first = 1, errors.New("another lead") }, "answer"},
		{"no evictions", func(r *Result) { r.evicted = 19_999 }, "evictions"},
		{"nothing expires", func(r *Result) { r.briefLoads = briefKeys }, "expired"},
		{"no tag was invalidated", func(r *Result) { r.tagged = 0 }, "tags"},
		{"no connection was lost", func(r *Result) { r.sessions = 4 }, "sessions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := flat()
			test.change(r)
			var broken []string
			for _, c := range r.Checks() {
				if !c.Kept {
					broken = append(broken, c.Promise)
				}
			}
			if test.broken == "" && (len(broken) > 0 || !r.Kept()) {
				t.Errorf("%q fall short, want none", broken)
			}
			if test.broken != "" && (len(broken) != 1 || !strings.Contains(broken[0], test.broken) || r.Kept()) {
				t.Errorf("%q fall short, want what is about %s", broken, test.broken)
			}
		})
	}
}

// TestChecksFewSamples: what was not seen is not flat.
func TestChecksFewSamples(t *testing.T) {
	t.Parallel()
	r := flat()
	r.Samples = r.Samples[:2]
	for _, b := range bounds {
		if c := b.check(r.Samples); c.Kept {
			t.Errorf("%s: %s: kept, want that two samples are too few", c.Promise, c.Seen)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := flat()
	r.failures, r.first = 7, errors.New("another lead")
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"600.0 s", "7 of 1000 were not (another lead): FALLS SHORT", "101.0 MB, then 101.0 MB: ok"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("Print says nothing of %q:\n%s", want, text.String())
		}
	}
}
