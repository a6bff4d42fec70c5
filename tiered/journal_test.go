package tiered

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestJournalKeys(t *testing.T) {
	t.Parallel()
	var j journal
	if j.has(place{key: "a"}) {
		t.Error("an empty journal has a")
	}
	j.add([]string{"a", "b", "a"})
	keys, mark := j.snapshot()
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"a", "b"}) || !j.has(place{key: "a"}) || j.has(place{key: "c"}) {
		t.Errorf("snapshot = %q, want a and b", keys)
	}
	if !j.has(place{key: "c", tag: "a"}) || j.has(place{key: "c", tag: "d"}) {
		t.Error("want a key pending while its tag is, and no longer")
	}
	j.add([]string{"b"}) // changed again while the first change was on its way
	j.settle(keys, mark)
	if j.has(place{key: "a"}) || !j.has(place{key: "b"}) {
		t.Error("want a settled, and b kept for its later change")
	}
	if keys, _ := j.snapshot(); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("snapshot = %q, want b", keys)
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
	loaded := time.Now()
	if !j.believes(frame{written: loaded}) {
		t.Error("a value is not believed before any overflow")
	}
	if j.add([]string{"one more"}) {
		t.Error("room beyond the limit")
	}
	if j.believes(frame{written: loaded}) {
		t.Error("a value from before the overflow is believed")
	}
	if !j.believes(frame{written: time.Now().Add(time.Second)}) {
		t.Error("a value from after the overflow is not believed")
	}
}
