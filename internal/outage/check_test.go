//go:build unix

package outage

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// kept returns what keeps every promise, of the steps there are.
func kept() *Result {
	r := &Result{config: Config{}.withDefaults()}
	for i, s := range slices.Concat(rounds...) {
		f := Figures{phase: phase{step: s, span: span{time.Duration(i) * 5 * time.Second, time.Duration(i+1) * 5 * time.Second}}}
		f.gets, f.localHits, f.redisHits, f.loads, f.queries = 1000, 900, 50, 50, 50
		if s.state == away {
			f.redisHits, f.loads, f.once = 0, 12_000, timeLimit
			f.peak = peak{first: 6000, later: 3000}
		}
		if s.state == back {
			f.recovery = 400 * ms
		}
		r.Figures = append(r.Figures, f)
	}
	return r
}

func TestChecks(t *testing.T) {
	t.Parallel()
	const (
		before, killed, restarted = 0, 1, 2
	)
	tooLong := timeLimit + slack + 1
	for _, test := range []struct {
		name   string
		phase  int
		change func(*Figures)
		want   Verdict
	}{
		{"an error", before, func(f *Figures) { f.errors = 1 }, FallsShort},
		{"an old answer", restarted, func(f *Figures) { f.old = 1 }, FallsShort},
		{"an outage that is none", killed, func(f *Figures) { f.loads = 2999 }, FallsShort},
		{"a long wait", killed, func(f *Figures) { f.once = tooLong }, FallsShort},
		{"a long wait when Redis is back", restarted, func(f *Figures) { f.again = tooLong }, FallsShort},
		{"a long wait before", before, func(f *Figures) { f.once = tooLong }, Kept},
		{"a long wait, busy", killed, func(f *Figures) { f.once, f.busy = tooLong, tooBusy }, Unclear},
		{"a second wait", killed, func(f *Figures) { f.again, f.others = 11*ms, 1 }, FallsShort},
		{"a second wait when Redis is back", restarted, func(f *Figures) { f.again, f.others = 11*ms, 1 }, Kept},
		{"a second wait, busy", killed, func(f *Figures) { f.again, f.others, f.busy = 11*ms, 1, tooBusy }, Unclear},
		{"busy", killed, func(f *Figures) { f.busy = hidden }, Kept},
		{"a herd at first", killed, func(f *Figures) { f.first = 6094 }, FallsShort},
		{"a herd at first, busy", killed, func(f *Figures) { f.first, f.busy = 6094, 1 }, FallsShort},
		{"a herd when Redis is back", restarted, func(f *Figures) { f.first = 6094 }, FallsShort},
		{"a herd later", killed, func(f *Figures) { f.later = 3094 }, FallsShort},
		{"a long wait, repeated", killed, func(f *Figures) { f.once, f.busy, f.repeated = tooLong, tooBusy, true }, Kept},
		{"a long wait in a quiet phase, repeated", killed, func(f *Figures) { f.once, f.repeated = tooLong, true }, FallsShort},
		{"a herd, repeated", killed, func(f *Figures) { f.later, f.busy, f.repeated = 3094, 1, true }, FallsShort},
		{"an error, repeated", killed, func(f *Figures) { f.errors, f.busy, f.repeated = 1, 1, true }, FallsShort},
		{"a slow return", restarted, func(f *Figures) { f.recovery = time.Second + 1 }, FallsShort},
		{"a slow return, busy", restarted, func(f *Figures) { f.recovery, f.busy = time.Second+1, tooBusy }, Unclear},
		{"as much as may be", killed, func(f *Figures) { f.once, f.first, f.later = timeLimit+slack, 6093, 3093 }, Kept},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := kept()
			test.change(&r.Figures[test.phase])
			if r.Verdict() != test.want {
				t.Errorf("Verdict = %v, want %v", r.Verdict(), test.want)
			}
			var got []Check // in a busy phase other promises may be unclear besides
			for _, c := range r.Checks() {
				if c.Verdict == test.want {
					got = append(got, c)
				}
			}
			if test.want != Kept && (len(got) != 1 || !strings.Contains(got[0].Worst, r.Figures[test.phase].name)) {
				t.Errorf("%v, want one promise, in the phase %s", got, r.Figures[test.phase].name)
			}
		})
	}
}

// TestChecksHidden: where pauses would hide what there is, nothing to be seen
// is no proof. What is no wait can be seen all the same.
func TestChecksHidden(t *testing.T) {
	t.Parallel()
	r := kept()
	for i := range r.Figures {
		r.Figures[i].busy = hidden + 0.01
	}
	var unclear int
	for _, c := range r.Checks() {
		if c.Verdict == Unclear {
			unclear++
		}
	}
	if unclear != 2 || r.Verdict() != Unclear {
		t.Errorf("%d promises are unclear, and all are %v; want the 2 about waits, and %v", unclear, r.Verdict(), Unclear)
	}
}

// TestChecksWorst: the verdict counts first, then how much it was.
func TestChecksWorst(t *testing.T) {
	t.Parallel()
	r := kept()
	tooLong := timeLimit + slack
	r.Figures[1].once, r.Figures[1].busy = tooLong+3*ms, tooBusy // unclear
	r.Figures[3].once = tooLong + ms
	r.Figures[5].once = tooLong + 2*ms
	for _, c := range r.Checks() {
		if c.Verdict != Kept && !strings.Contains(c.Worst, r.Figures[5].name) {
			t.Errorf("the worst is %q, want that of the phase %s", c.Worst, r.Figures[5].name)
		}
	}
	if r.Verdict() != FallsShort {
		t.Errorf("Verdict = %v, want %v", r.Verdict(), FallsShort)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	r := kept()
	r.Figures[3].again, r.Figures[3].others = 49*ms, 7
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"network silent", "FALLS SHORT", "49.0 ms (stopped)", "7 waits"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("Print says nothing of %q:\n%s", want, text.String())
		}
	}
	if n := strings.Count(text.String(), ": ok\n"); n != len(r.Checks())-1 {
		t.Errorf("%d checks are ok, want all %d but one:\n%s", n, len(r.Checks()), text.String())
	}
}
