package tiered

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"testing"
	"time"
)

// testMany is rule 7 of remote.
func testMany(t *testing.T, a, b remote, toA *recorder, prefix string) {
	t.Helper()
	ctx := t.Context()
	tag := prefix + tagPrefix + "many"
	kinds := []struct {
		name string
		at   func(key string) place
	}{
		{"framed", func(key string) place { return place{key: prefix + key} }},
		{"plain", func(key string) place { return place{key: prefix + key, plain: true} }},
		{"tagged", func(key string) place { return place{key: prefix + key, tag: tag} }},
		{"tagged and plain", func(key string) place { return place{key: prefix + key, tag: tag, plain: true} }},
	}
	// More than there is room for at a time, of all kinds in turns.
	places := make([]place, maxTogether+10)
	for i := range places {
		places[i] = kinds[i%len(kinds)].at("7 " + strconv.Itoa(i))
	}
	value := func(i int, of string) []byte {
		if places[i].plain && places[i].tag != "" {
			return []byte(strconv.Quote(of+strconv.Itoa(i)) + "\t") // as plainForm does it
		}
		return []byte(of + strconv.Itoa(i))
	}
	read := func(t *testing.T, r remote, want func(i int) []byte) {
		t.Helper()
		replies := inTurns(places, func(some []place) []reply { return r.readMany(ctx, some) })
		for i, got := range replies {
			if got.err != nil || !bytes.Equal(got.held, want(i)) || (got.held == nil) != (want(i) == nil) {
				t.Errorf("%s: readMany = %q, %v, want %q", kinds[i%4].name, got.held, got.err, want(i))
			}
			if places[i].plain && got.held != nil && (got.left > time.Minute || got.left < time.Minute/2) {
				t.Errorf("%s: readMany leaves %v, want nearly a minute", kinds[i%4].name, got.left)
			}
		}
	}
	change := func(t *testing.T, r remote, verb verb, old, stored func(i int) []byte, want func(i int) bool) {
		t.Helper()
		writes := make([]write, len(places))
		for i, at := range places {
			writes[i] = write{verb: verb, at: at, old: old(i), value: stored(i), ttl: time.Minute}
		}
		for i, got := range inTurns(writes, func(some []write) []reply { return r.writeMany(ctx, some) }) {
			if got.err != nil || got.done != want(i) {
				t.Errorf("%s: writeMany(%q) over %q = %v, %v, want %v", kinds[i%4].name, writes[i].value, writes[i].old, got.done, got.err, want(i))
			}
		}
	}
	of := func(name string) func(int) []byte { return func(i int) []byte { return value(i, name) } }
	none := func(int) []byte { return nil }
	always, never := func(int) bool { return true }, func(int) bool { return false }
	told := func(t *testing.T, want int) {
		t.Helper()
		if err := a.hearOut(ctx); err != nil {
			t.Fatal(err)
		}
		for i, at := range places {
			if got, _ := toA.count(at.key); got != want {
				t.Errorf("%s: %d pushes, want %d", kinds[i%4].name, got, want)
			}
		}
	}

	t.Run("rule 7: writeMany does what lease, fill and drop do, and readMany registers", func(t *testing.T) {
		read(t, a, none)
		change(t, b, toLease, none, of("x"), always)
		told(t, 1) // each key was registered by the read
		change(t, a, toLease, none, of("y"), never)
		read(t, b, of("x"))
		read(t, a, of("x"))
		change(t, b, toFill, of("y"), of("z"), never)
		change(t, b, toFill, of("x"), of("y"), always)
		told(t, 2)
		change(t, b, toDrop, of("x"), none, never)
		read(t, a, of("y"))
		change(t, b, toDrop, of("y"), none, always)
		told(t, 3)
		read(t, a, none)
	})
	t.Run("rules 1, 2 and 7: own leases and drops are pushed before writeMany returns, and fills without a tag are not", func(t *testing.T) {
		before := make([]int, len(places))
		for i, at := range places {
			before[i], _ = toA.count(at.key)
		}
		step := func(without, with []int) { // how many pushes there may be, of places without a tag and with one
			t.Helper()
			for i, at := range places {
				now, _ := toA.count(at.key)
				got := now - before[i]
				before[i] = now
				want := without
				if at.tag != "" {
					want = with
				}
				if !slices.Contains(want, got) {
					t.Fatalf("%s: %d pushes, want %d", kinds[i%4].name, got, want)
				}
			}
		}
		one, zero, open := []int{1}, []int{0}, []int{0, 1}
		change(t, a, toLease, none, of("x"), always)
		step(one, one) // they were read last
		change(t, a, toLease, of("x"), of("y"), always)
		step(open, open)
		change(t, a, toFill, of("y"), of("z"), always)
		step(zero, one)
		change(t, a, toDrop, of("z"), none, always)
		step(one, one)
	})
	t.Run("rule 7: some fail, the others do not", func(t *testing.T) {
		writes := []write{
			{at: kinds[0].at("7a"), value: []byte("x"), ttl: time.Minute},
			{verb: toFill, at: kinds[2].at("7b"), old: []byte("x"), value: []byte("y"), ttl: time.Minute},
			{at: kinds[0].at("7c"), value: []byte("x"), ttl: time.Minute},
		}
		replies := a.writeMany(ctx, writes)
		if len(replies) != 3 || !replies[0].done || replies[1].done || !replies[2].done {
			t.Errorf("writeMany = %+v, want the first and the last to be done", replies)
		}
	})
	t.Run("rules 5 and 7: a context that has ended ends every call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		for _, replies := range [][]reply{
			a.readMany(ctx, places[:2]),
			a.writeMany(ctx, []write{{at: places[0], value: []byte("x"), ttl: time.Minute}}),
		} {
			if len(replies) == 0 || errOfAll(replies) == nil {
				t.Errorf("%+v, want errors", replies)
			}
		}
	})
	t.Run("rule 7: a server that has forgotten its scripts", func(t *testing.T) {
		l, ok := a.(*link)
		if !ok {
			t.Skip("the fake has none")
		}
		change(t, a, toLease, none, of("x"), always)
		if err := l.client.Do(ctx, l.client.B().Arbitrary("SCRIPT", "FLUSH").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		change(t, a, toDrop, of("x"), none, always)
		read(t, a, none)
		if n := len(l.slots); n != 0 {
			t.Errorf("%d slots are not given back", n)
		}
	})
}
