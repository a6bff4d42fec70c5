//go:build unix

package outage

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// second is the phase of these tests, limit the time limit.
var second = span{0, time.Second}

const limit = 50 * ms

// waited is a read that ended at a time and waited all the while.
func waited(node, reader int, end, took time.Duration) wait {
	return wait{node, reader, span{end - took, end}, took}
}

func TestAdded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		waits []wait
		held  pauses
		want  delay
	}{
		{"nobody waits", nil, nil, delay{}},
		{"what is no longer than slack is none", []wait{waited(0, 0, 100*ms, slack)}, nil, delay{}},
		{
			"each reader waits once",
			[]wait{waited(0, 0, 100*ms, 50*ms), waited(0, 1, 120*ms, 55*ms), waited(1, 2, 500*ms, 51*ms)},
			nil,
			delay{once: 55 * ms},
		},
		{
			"one reader waits twice",
			[]wait{waited(0, 0, 160*ms, 45*ms), waited(0, 0, 100*ms, 50*ms), waited(0, 1, 100*ms, 50*ms)},
			nil,
			delay{once: 50 * ms, again: 45 * ms, others: 1},
		},
		{
			"a reader waits for the first time when its node knew",
			[]wait{waited(0, 0, 100*ms, 50*ms), waited(0, 1, 100*ms+limit+slack+31*ms, 30*ms)},
			nil,
			delay{once: 50 * ms, again: 30 * ms, others: 1},
		},
		{
			"one that began while its node could not know",
			[]wait{waited(0, 0, 100*ms, 50*ms), waited(0, 1, 100*ms+limit+slack+30*ms, 30*ms)},
			nil,
			delay{once: 50 * ms},
		},
		{
			"the limit is exceeded",
			[]wait{waited(0, 0, 200*ms, limit+slack), waited(0, 1, 200*ms, limit+slack+1)},
			nil,
			delay{once: limit + slack + 1},
		},
		{
			"other phases do not count",
			[]wait{waited(0, 0, -1, 50*ms), waited(0, 1, time.Second, 50*ms)},
			nil,
			delay{},
		},
		{
			"pauses at the same time are deducted",
			[]wait{waited(0, 0, 100*ms, 50*ms), waited(0, 1, 200*ms, 50*ms)},
			pauses{{waited(0, 0, 110*ms, 40*ms), waited(0, 0, 190*ms, 30*ms)}, {waited(0, 0, 90*ms, 10*ms)}},
			delay{once: 20 * ms},
		},
		{
			"pauses at other times are not",
			[]wait{waited(0, 0, 100*ms, 50*ms)},
			pauses{{waited(0, 0, 50*ms, 40*ms), waited(0, 0, 140*ms, 40*ms)}},
			delay{once: 50 * ms},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := added(test.waits, test.held, second, limit); got != test.want {
				t.Errorf("added = %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPausesDuring(t *testing.T) {
	t.Parallel()
	p := pauses{
		{waited(0, 0, 100*ms, 20*ms), waited(0, 0, 200*ms, 20*ms), waited(0, 0, 300*ms, 20*ms)},
		{{read: span{150 * ms, 250 * ms}, took: 30 * ms}},
	}
	for _, test := range []struct {
		name string
		span span
		want time.Duration
	}{
		{"before all", span{0, 80 * ms}, 0},
		{"after all", span{300 * ms, 400 * ms}, 0},
		{"part of one", span{90 * ms, 150 * ms}, 10 * ms},
		{"no longer than it took", span{200 * ms, 260 * ms}, 30 * ms},
		{"all of one reader, not of two", span{0, 400 * ms}, 60 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := p.during(test.span); got != test.want {
				t.Errorf("during(%v) = %v, want %v", test.span, got, test.want)
			}
		})
	}
}

func TestPausesBusy(t *testing.T) {
	t.Parallel()
	p := pauses{{waited(0, 0, 50*ms, 40*ms)}, {waited(0, 1, 900*ms, 100*ms), waited(0, 1, 1400*ms, 300*ms)}}
	if got := p.busy(second, limit); got != 3.0/20 {
		t.Errorf("busy = %v, want 3 of 20", got)
	}
	if got := p.longest(second); got != 100*ms {
		t.Errorf("longest = %v, want 100ms", got)
	}
}

func TestPeakOf(t *testing.T) {
	t.Parallel()
	const maxStale = 100 * ms
	phase := span{time.Second, 10 * time.Second}
	later := phase.start + firstMoments(maxStale)
	for _, test := range []struct {
		name  string
		began []time.Duration
		want  peak
	}{
		{"nothing", nil, peak{}},
		{"another phase", []time.Duration{time.Second - 1, 10 * time.Second}, peak{}},
		{"one in each MaxStale", []time.Duration{later, later + maxStale, later + 2*maxStale}, peak{later: 1}},
		{"two within one", []time.Duration{later, later + maxStale, later + 2*maxStale - 1}, peak{later: 2}},
		{"at first", []time.Duration{phase.start, phase.start + 1, later - 1, later, later + 1, later + maxStale}, peak{first: 3, later: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := peakOf(test.began, phase, maxStale); got != test.want {
				t.Errorf("peakOf = %+v, want %+v", got, test.want)
			}
		})
	}
}
