//go:build unix

package load

import (
	"errors"
	"strings"
	"testing"
	"time"

	"leadcache/internal/footprint"
)

// kept returns what passes every check: 100 texts a second for 10 seconds.
func kept() *Result {
	figures := func(u usage) Figures {
		f := Figures{conversations: 1000, duration: 10 * time.Second, sent: 3000, stored: 3000, usage: u}
		for range 1000 {
			f.latencies = append(f.latencies, time.Millisecond)
			f.late = append(f.late, tooLate)
		}
		f.spent = spent{lookups: int64(u.CPU) / 4, others: int64(u.CPU) * 3 / 4}
		f.before = footprint.Footprint{RSS: 1 << 20, Goroutines: 10}
		f.after = footprint.Footprint{RSS: 1<<20 + 1000*(3<<10), Heap: 1000 * (2 << 10), Stacks: 1000 * (1 << 10), Goroutines: 2010}
		return f
	}
	return &Result{
		config:  Config{Conversations: 1000, Every: 10 * time.Second}.withDefaults(),
		Without: figures(usage{CPU: 4 * time.Second, Queries: 3000, Gets: 2000, Loads: 2000}),
		With:    figures(usage{CPU: 2 * time.Second, Queries: 1000, Gets: 2000, Local: 1900, Redis: 100}),
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	late := func(f *Figures) {
		for i := range f.late {
			f.late[i] = tooLate + 1
		}
	}
	slow := func(f *Figures) { f.latencies = f.latencies[:969] }
	for _, test := range []struct {
		name   string
		change func(*Result)
		want   Verdict
		broken int
	}{
		{"as it should be", func(*Result) {}, Kept, 0},
		{"an error", func(r *Result) { r.Without.errors = 1 }, FallsShort, 1},
		{"an error with the cache", func(r *Result) { r.With.errors = 1 }, FallsShort, 1},
		{"a text that is lost", func(r *Result) { r.With.stored-- }, FallsShort, 1},
		{"a text that is stored twice", func(r *Result) { r.With.stored++ }, FallsShort, 1},
		{"too slow", func(r *Result) { slow(&r.With) }, FallsShort, 1},
		{"just fast enough", func(r *Result) { r.With.latencies = r.With.latencies[:970] }, Kept, 0},
		{"customers that are late", func(r *Result) { late(&r.With) }, Unclear, 1},
		{"customers that are late, and too slow", func(r *Result) { late(&r.With); slow(&r.Without) }, Unclear, 2},
		{"a cache where there should be none", func(r *Result) { r.Without.Redis = 1 }, FallsShort, 1},
		{"a cache that does not hit", func(r *Result) { r.With.Local = 1899 }, Unclear, 1},
		{"a profile that has seen less than half", func(r *Result) { r.With.CPU = 2*r.With.CPU + 1000 }, Unclear, 1},
		{"a profile of more than there was", func(r *Result) { r.With.CPU /= 2 }, Unclear, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := kept()
			test.change(r)
			var broken int
			for _, c := range r.Checks() {
				if c.Verdict != Kept {
					broken++
				}
			}
			if r.Verdict() != test.want || broken != test.broken {
				t.Errorf("Verdict = %v with %d checks broken, want %v with %d: %v", r.Verdict(), broken, test.want, test.broken, r.Checks())
			}
		})
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := kept()
	r.With.errors, r.With.firstErr = 7, errors.New("a text came to nothing")
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FALLS SHORT", "7 (a text came to nothing)",
		"4000 µs", "2000 µs", // CPU per text
		"25.0 %",                             // of look-ups
		"3.0 KB", "2.0 KB", "1.0 KB", "2.00", // per conversation
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("Print says nothing of %q:\n%s", want, text.String())
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, test := range []struct {
		all  []time.Duration
		p    int
		want time.Duration
	}{
		{nil, 99, 0},
		{[]time.Duration{5}, 50, 5},
		{[]time.Duration{5}, 99, 5},
		{[]time.Duration{7, 5}, 50, 5},
		{hundred, 50, 50},
		{hundred, 99, 99},
	} {
		if got := percentile(test.all, test.p); got != test.want {
			t.Errorf("percentile(%d of them, %d) = %d, want %d", len(test.all), test.p, got, test.want)
		}
	}
}

// TestRecord: what is measured lies between open and shut, failures anywhere.
func TestRecord(t *testing.T) {
	t.Parallel()
	var r record
	first := errors.New("first")
	r.answered(1, 1)
	r.failed(first)
	r.open()
	r.answered(2, 3)
	r.shut()
	r.answered(4, 4)
	r.failed(errors.New("second"))
	if len(r.latencies) != 1 || r.latencies[0] != 2 || len(r.late) != 1 || r.late[0] != 3 || r.errors != 2 || !errors.Is(r.firstErr, first) {
		t.Errorf("record has %v, %v and %d errors, the first %v", r.latencies, r.late, r.errors, r.firstErr)
	}
}
