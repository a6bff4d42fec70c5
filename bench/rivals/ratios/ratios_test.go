package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	t.Parallel()
	const in = `goos: linux
BenchmarkRivals/miss/ours/g=1-2 	 100	 300 ns/op	 5 B/op
BenchmarkRivals/miss/ours/g=1-2 	 100	 200 ns/op	 5 B/op
BenchmarkRivals/miss/ours/g=1-2 	 100	 900 ns/op	 5 B/op
BenchmarkRivals/miss/otter-ttl-stats/g=1-2 	 100	 450 ns/op	 1 B/op
BenchmarkRivals/miss/otter-ttl-stats/g=1-2 	 100	 150 ns/op	 1 B/op
BenchmarkRivals/local-hot/theine 	 100	 20.5 ns/op
BenchmarkHitRatio/zipf-1.01/ours 	 1	 60.25 hit-%
BenchmarkHitRatio/zipf-1.01/theine 	 1	 70.0 hit-%	 7 ignored
PASS
`
	const want = `Rivals miss g=1, processors: 2
  ns/op  × ours  B/op  name
    300    1.00     5  ours
    300    1.00     1  otter-ttl-stats

Rivals local-hot, processors: 1
  ns/op  × ours  name
  20.50       -  theine

HitRatio zipf-1.01, processors: 1
  hit-%  × ours  name
  60.25    1.00  ours
     70    1.16  theine

`
	var out strings.Builder
	if err := run(nil, strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"nothing":            "PASS\n",
		"a run that failed":  "BenchmarkRivals/miss/ours 1 2 ns/op\n--- FAIL: BenchmarkRivals/miss/ours\n",
		"a package's result": "BenchmarkRivals/miss/ours 1 2 ns/op\nFAIL\tleadcache/bench/rivals\t1s\n",
		"no name":            "BenchmarkRivals/miss 1 2 ns/op\n",
		"no number":          "BenchmarkRivals/miss/ours 1 two ns/op\n",
		"no unit":            "BenchmarkRivals/miss/ours 1 2\n",
	} {
		if err := run(nil, strings.NewReader(in), &strings.Builder{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
