package main

import (
	"strings"
	"testing"
	"time"

	"leadcache/tiered"
)

func TestSeries(t *testing.T) {
	var s series
	if got := s.summary(); got != (summary{}) {
		t.Errorf("summary of nothing = %+v, want zero", got)
	}
	for i := range 100 {
		s.add(time.Duration(100 - i)) // 1 to 100, the greatest first
	}
	want := summary{Count: 100, P50: 50, P99: 99, Max: 100}
	if got := s.summary(); got != want {
		t.Errorf("summary = %+v, want %+v", got, want)
	}
	s.add(1000)
	want = summary{Count: 101, P50: 51, P99: 100, Max: 1000}
	if got := s.summary(); got != want {
		t.Errorf("summary = %+v, want %+v", got, want)
	}
}

func TestSumKeyspaces(t *testing.T) {
	stats := []nodeStats{
		{
			Keyspaces: map[string]tiered.Stats{
				"lead":         {Gets: 100, LocalHits: 90, RedisHits: 4, Loads: 6},
				"organization": {Gets: 10, LocalHits: 9, Loads: 1},
			},
			Watch: watchReads{Local: 40, Redis: 2, Loader: 1},
		},
		{Keyspaces: map[string]tiered.Stats{"lead": {Gets: 10, LocalHits: 5, Loads: 5}}},
	}
	byName, total, watch := sumKeyspaces(stats)
	lead := keyspaceStats{Gets: 67, LocalHits: 55, RedisHits: 2, Loads: 10, HitRate: 57.0 / 67}
	if byName["lead"] != lead {
		t.Errorf("lead = %+v, want %+v", byName["lead"], lead)
	}
	all := keyspaceStats{Gets: 77, LocalHits: 64, RedisHits: 2, Loads: 11, HitRate: 66.0 / 77}
	if total != all {
		t.Errorf("total = %+v, want %+v", total, all)
	}
	if watch != (watchReads{Local: 40, Redis: 2, Loader: 1}) {
		t.Errorf("watch = %+v", watch)
	}
}

func TestFormats(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0.0 %", 0.9999: "99.9 %", 1: "100.0 %", 0.5: "50.0 %"} {
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %s, want %s", share, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 ns", 850: "850 ns", 4_970: "4.97 µs", 123_456: "123 µs",
		999_900: "1 ms", 12_300_000: "12.3 ms", time.Second: "1 s", 90 * time.Second: "90 s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table{{"", "n"}, {"µs", "10"}, {"hits", "5"}}.print(&b)
	if want := "        n\nµs     10\nhits    5\n"; b.String() != want {
		t.Errorf("print = %q, want %q", b.String(), want)
	}
}
