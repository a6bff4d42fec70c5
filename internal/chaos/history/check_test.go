package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const bound = 300

// written is a history of one key with two writes by node 1: version 1 is
// acknowledged at 100, version 2 is committed at 1020, returned at 1030 and
// acknowledged at 1100.
func written(reads ...Read) *History {
	return &History{
		Writes: []Write{
			{Key: "k", Node: 1, Version: 1, Start: 10, Committed: 20, Returned: 100, Acked: 100},
			{Key: "k", Node: 1, Version: 2, Start: 1010, Committed: 1020, Returned: 1030, Acked: 1100},
		},
		Reads: reads,
		Final: map[string]int64{"k": 2},
	}
}

func read(node int, start Time, version int64) Read {
	return Read{Key: "k", Node: node, Start: start, End: start + 5, Bound: bound, Version: version}
}

func kinds(r *Report) (kinds []Kind) {
	for _, v := range r.Violations {
		kinds = append(kinds, v.Kind)
	}
	return kinds
}

func TestCheckReads(t *testing.T) {
	t.Parallel()
	exact := func(r Read) Read { r.Bound = 0; return r }
	for _, test := range []struct {
		name string
		h    *History
		want []Kind
	}{
		{"an empty history is good", &History{}, nil},
		{"the newest version is good", written(read(2, 5000, 2)), nil},
		{"an old one is good before the commit", written(read(2, 1000, 1)), nil},
		{"an old one is good within the bound", written(read(2, 1399, 1)), nil},
		{"an old one is good at the bound", written(read(2, 1400, 1)), nil},
		{"an old one is stale behind the bound", written(read(2, 1401, 1)), []Kind{Stale}},
		{"of an old and a new one the old one is stale", written(read(2, 1401, 2), read(2, 1402, 1)), []Kind{Stale}},
		{"the writer may see the old one until Invalidate returns", written(read(1, 1030, 1)), nil},
		{"the writer may not see it afterwards", written(read(1, 1031, 1)), []Kind{OwnWrite}},
		{"a reader without patience sees what is acknowledged", written(exact(read(2, 1101, 1))), []Kind{Stale, NotAtomic}},
		{"a version is not seen before it is written", written(read(2, 1000, 2)), []Kind{NeverWritten}},
		{"it is good while it is being written", written(read(2, 1005, 2)), nil},
		{"a version that the database does not have is none", written(read(2, 5000, 4)), []Kind{NeverWritten}},
		{"a value of another key is none", written(read(2, 5000, Garbage)), []Kind{NeverWritten}},
		{"a key is not absent that never was", written(read(2, 5000, 0)), []Kind{NeverWritten}},
		{"a key that nobody has written has no version", &History{Reads: []Read{read(2, 5, 1)}}, []Kind{NeverWritten}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, kinds(Check(test.h))); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckWrites(t *testing.T) {
	t.Parallel()
	foreign := func(h *History) *History {
		for i := range h.Writes {
			h.Writes[i].Node = Foreign
		}
		return h
	}
	pending := func(h *History, acked Time) *History {
		h.Writes[1].Acked = acked
		return h
	}
	lost := func(h *History) *History { // the node that wrote version 2 died
		h.Writes = h.Writes[:1]
		return h
	}
	for _, test := range []struct {
		name string
		h    *History
		want []Kind
	}{
		{"another node may be stale while it is pending", pending(written(read(2, 9000, 1)), 0), nil},
		{"the writer may not", pending(written(read(1, 9000, 1)), 0), []Kind{OwnWrite}},
		{"the bound counts from the delivery", pending(written(read(2, 8300, 1)), 8000), nil},
		{"behind it the read is stale", pending(written(read(2, 8301, 1)), 8000), []Kind{Stale}},
		{"a foreign program's writes bind all nodes", foreign(written(read(1, 1401, 1))), []Kind{Stale}},
		{"but have no node of their own", foreign(written(read(Foreign, 1200, 1))), nil},
		{"a lost write may be seen", lost(written(read(2, 5, 2))), nil},
		{"a lost write need not be seen", lost(written(read(2, 9000, 1))), nil},
		{"what came before it must be", lost(&History{
			Reads: []Read{read(2, 9000, 0)}, Writes: written().Writes, Final: written().Final,
		}), []Kind{NeverWritten}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, kinds(Check(test.h))); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCheckLateAcknowledgement: version 1 is acknowledged after version 2, which
// must not lower what is wanted.
func TestCheckLateAcknowledgement(t *testing.T) {
	t.Parallel()
	h := written(read(2, 9000, 1))
	h.Writes[0].Acked = 5000
	want := []Violation{{Kind: Stale, Key: "k", Read: h.Reads[0], Want: 2, By: 1100}}
	if diff := cmp.Diff(want, Check(h).Violations); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestCheckAbsent(t *testing.T) {
	t.Parallel()
	// Version 3 deletes the key, version 4 brings it back, version 10 deletes
	// it again.
	deleted := func(reads ...Read) *History {
		h := &History{Reads: reads, Final: map[string]int64{"k": 10}}
		for v := range int64(10) {
			at := Time(1000 * (v + 1))
			h.Writes = append(h.Writes, Write{Key: "k", Node: 1, Version: v + 1, Start: at, Committed: at, Returned: at, Acked: at})
		}
		return h
	}
	for _, test := range []struct {
		name string
		read Read
		want []Kind
	}{
		{"absent while it is", read(2, 3500, 0), nil},
		{"absent within the bound", read(2, 4300, 0), nil},
		{"absent behind the bound", read(2, 4301, 0), []Kind{Stale}},
		{"absent again", read(2, 10500, 0), nil},
		{"absent before it was deleted", read(2, 2000, 0), []Kind{NeverWritten}},
		{"a value behind the bound", read(2, 3301, 2), []Kind{Stale}},
		{"a value that never was", read(2, 3500, 3), []Kind{NeverWritten}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, kinds(Check(deleted(test.read)))); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckMeasures(t *testing.T) {
	t.Parallel()
	r := Check(written(read(2, 1350, 1), read(2, 1000, 1), read(2, 5000, 2)))
	if diff := cmp.Diff([]time.Duration{0, 0, 250}, r.Staleness); diff != "" {
		t.Errorf("Staleness (-want +got):\n%s", diff)
	}
	if r.PendingMax != 70 {
		t.Errorf("PendingMax = %v, want 70ns", r.PendingMax)
	}
}

func TestCheckLeads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		leads []Lead
		rows  []Row
		want  []Kind
	}{
		{"one row, the same answers", []Lead{{"1", 1, "a"}, {"1", 2, "a"}}, []Row{{"1", "a"}}, nil},
		{"a row that nobody was told of", nil, []Row{{"1", "a"}}, nil},
		{"two rows", []Lead{{"1", 1, "b"}}, []Row{{"1", "a"}, {"1", "b"}}, []Kind{SeveralLeads}},
		{"another answer", []Lead{{"1", 1, "a"}, {"1", 2, "b"}}, []Row{{"1", "a"}}, []Kind{AnotherLead}},
		{"no row", []Lead{{"1", 1, "a"}}, nil, []Kind{AnotherLead}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := kinds(Check(&History{Leads: test.leads, Rows: test.rows}))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCheckOrder has reads that each are allowed alone and together are not.
func TestCheckOrder(t *testing.T) {
	t.Parallel()
	first := Write{Key: "k", Node: 1, Version: 1, Start: 10, Committed: 20}
	slow := Write{Key: "k", Node: 1, Version: 2, Start: 1000, Committed: 2000}
	early := Write{Key: "k", Node: 1, Version: 2, Start: 5, Committed: 6}
	deletion := Write{Key: "k", Node: 1, Version: 3, Start: 5000, Committed: 5010}
	exact := func(start Time, version int64) Read {
		return Read{Key: "k", Node: 2, Start: start, End: start + 5, Version: version}
	}
	for _, test := range []struct {
		name   string
		writes []Write
		reads  []Read
		final  int64
		want   []Kind
	}{
		{"old, then new", []Write{first, slow}, []Read{exact(1200, 1), exact(1400, 2)}, 2, nil},
		{"new, then old", []Write{first, slow}, []Read{exact(1200, 2), exact(1400, 1)}, 2, []Kind{NotAtomic}},
		{"a lost write happens at any time", []Write{first}, []Read{exact(5000, 1), exact(6000, 2)}, 2, nil},
		{"but once", []Write{first}, []Read{exact(5000, 2), exact(6000, 1)}, 2, []Kind{NotAtomic}},
		{"a lost write need not be seen", []Write{first}, []Read{exact(9000, 1)}, 2, nil},
		{"commits out of order", []Write{first, early}, []Read{exact(9000, 2)}, 2, []Kind{NotAtomic}},
		{"absent while it is deleted", []Write{first, slow, deletion}, []Read{exact(5005, 0), exact(6000, 0)}, 3, nil},
		{"absent, then not deleted yet", []Write{first, slow, deletion}, []Read{exact(5001, 0), exact(5007, 2)}, 3, []Kind{NotAtomic}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &History{Writes: test.writes, Reads: test.reads, Final: map[string]int64{"k": test.final}}
			if diff := cmp.Diff(test.want, kinds(Check(h))); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
