package tiered

import (
	"fmt"
	"slices"
	"testing"
)

func TestJournalKeys(t *testing.T) {
	t.Parallel()
	var j journal
	if j.has("a") {
		t.Error("an empty journal has a")
	}
	j.add([]string{"a", "b", "a"})
	keys, mark := j.batch(10)
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"a", "b"}) || !j.has("a") || j.has("c") {
		t.Errorf("batch = %q, want a and b", keys)
	}
	j.add([]string{"b"}) // changed again while the batch was on its way
	j.settle(keys, mark)
	if j.has("a") || !j.has("b") {
		t.Error("want a settled, and b kept for its later change")
	}
	if keys, _ := j.batch(10); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("batch = %q, want b", keys)
	}
}

func TestJournalFull(t *testing.T) {
	t.Parallel()
	var j journal
	keys := make([]string, journalLimit)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	if !j.add(keys) {
		t.Fatal("no room for as many keys as the limit")
	}
	if !j.add([]string{"7"}) {
		t.Error("no room for a key that is there")
	}
	if j.add([]string{"one more"}) {
		t.Error("room beyond the limit")
	}
	if got, _ := j.batch(3); len(got) != 3 {
		t.Errorf("batch(3) has %d keys", len(got))
	}
}
