//go:build unix

package load

import (
	"bytes"
	"runtime/pprof"
	"testing"

	"github.com/google/pprof/profile"
)

// made returns a profile with one sample of each stack, of one second and
// more for each after the first. A stack begins with its innermost function.
func made(t *testing.T, stacks ...[]string) []byte {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
	}
	for i, names := range stacks {
		s := &profile.Sample{Value: []int64{1, int64(i+1) * 1e9}}
		for _, name := range names {
			id := uint64(len(p.Function) + 1)
			f := &profile.Function{ID: id, Name: name}
			l := &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location, s.Location = append(p.Function, f), append(p.Location, l), append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	var data bytes.Buffer
	if err := p.Write(&data); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestPartsOf(t *testing.T) {
	t.Parallel()
	const read = "internal/runtime/syscall/linux.Syscall6"
	for _, test := range []struct {
		name  string
		stack []string
		want  part
	}{
		{
			"a local hit",
			[]string{
				"leadcache/tiered.(*Cache[go.shape.string,go.shape.struct { A map[string]int }]).Get",
				"leadcache/leadsvc.(*Service).OrganizationByPhone", "leadcache/cmd/demo/inbound.(*Handler).lookUp",
			},
			lookups,
		},
		{
			"a flight that asks Redis",
			[]string{
				read, "github.com/redis/rueidis.(*pipe).Do", "leadcache/tiered.(*flight[go.shape.string]).run",
				"leadcache/tiered.(*Cache[go.shape.string]).fly",
			},
			lookups,
		},
		{
			"a load",
			[]string{read, "leadcache/pg.one[go.shape.int]", "leadcache/leadsvc.(*Service).loadLead"},
			lookups,
		},
		{
			"a write",
			[]string{read, "leadcache/pg.(*DB).AppendMessage", "leadcache/leadsvc.(*write[go.shape.int]).run"},
			storing,
		},
		{
			"what a write invalidates",
			[]string{
				"leadcache/tiered.(*Cache[go.shape.string]).invalidated", "leadcache/tiered.(*Redis).Invalidate",
				"leadcache/leadsvc.(*Service).AppendMessage.func1", "leadcache/leadsvc.start[go.shape.int].func1",
			},
			storing,
		},
		{
			"who waits for a write",
			[]string{"runtime.selectgo", "leadcache/leadsvc.(*Service).AppendMessage", "leadcache/cmd/demo/inbound.(*socket).tryText"},
			storing,
		},
		{
			"a push",
			[]string{
				"leadcache/tiered.(*Cache[go.shape.string]).forget", "leadcache/tiered.(*Redis).pushed",
				"github.com/redis/rueidis.(*pipe)._backgroundRead",
			},
			link,
		},
		{
			"an answer",
			[]string{read, "github.com/coder/websocket.(*Conn).Write", "leadcache/cmd/demo/inbound.(*socket).write"},
			sockets,
		},
		{"the garbage collector", []string{"runtime.scanObject", "runtime.gcBgMarkWorker"}, garbage},
		{"the scheduler", []string{"runtime.futex", "runtime.findRunnable", "runtime.mcall"}, others},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := partsOf(made(t, test.stack))
			if err != nil {
				t.Fatal(err)
			}
			if got[test.want] != 1e9 || got.total() != 1e9 {
				t.Errorf("partsOf = %v, want a second of part %d", got, test.want)
			}
		})
	}
}

func TestPartsOfShares(t *testing.T) {
	t.Parallel()
	got, err := partsOf(made(t, []string{"leadcache/leadsvc.(*Service).loadLead"}, []string{"runtime.mcall"}, []string{"runtime.bgsweep"}))
	if err != nil {
		t.Fatal(err)
	}
	if got.share(lookups) != 1.0/6 || got.share(others) != 2.0/6 || got.share(garbage) != 3.0/6 || got.total() != 6e9 {
		t.Errorf("shares %v, want 1, 2 and 3 seconds of 6", got)
	}
	if none := (spent{}); none.share(lookups) != 0 {
		t.Errorf("share of nothing = %v, want 0", none.share(lookups))
	}
}

// TestPartsOfOthers: what is no CPU profile is not taken for one.
func TestPartsOfOthers(t *testing.T) {
	t.Parallel()
	var heap bytes.Buffer
	if err := pprof.WriteHeapProfile(&heap); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{heap.Bytes(), []byte("no profile"), nil} {
		if got, err := partsOf(data); err == nil {
			t.Errorf("partsOf = %v, want an error", got)
		}
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a/b.(*T).M":               "a/b.(*T).M",
		"a/b.(*T[go.shape.int]).M": "a/b.(*T).M",
		"a/b.(*T[go.shape.map[string]int,go.shape.int]).M.func1": "a/b.(*T).M.func1",
		"a/b.f[go.shape.int]": "a/b.f",
		"a/b.f[":              "a/b.f[",
	} {
		if got := bare(name); got != want {
			t.Errorf("bare(%q) = %q, want %q", name, got, want)
		}
	}
}
