package tiered

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testFramer = framer{life: 0x0102030405060708, fingerprint: 0x1112131415161718}

func TestFrame(t *testing.T) {
	t.Parallel()
	written := time.UnixMilli(1_700_000_000_123)
	for _, f := range []frame{
		{kind: kindValue, written: written, ttl: time.Minute, payload: []byte("payload")},
		{kind: kindValue, written: written, ttl: 0, payload: []byte{}},
		{kind: kindAbsent, written: written, ttl: time.Hour, payload: []byte{}},
	} {
		got, v := testFramer.decode(testFramer.encode(f), 0)
		if v != readable {
			t.Fatalf("decode(encode(%+v)) failed", f)
		}
		if diff := cmp.Diff(f, got, cmp.AllowUnexported(frame{})); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	}
	mine, other := nodeID{1, 2, 3}, nodeID{1, 2, 4}
	a, b := testFramer.encode(newLease(mine, written, time.Second)), testFramer.encode(newLease(mine, written, time.Second))
	if bytes.Equal(a, b) {
		t.Error("two leases are the same")
	}
	if f, v := testFramer.decode(a, 0); v != readable || !f.leaseOf(mine) || f.leaseOf(other) {
		t.Errorf("decode(lease) = %+v, %v, want a lease of its node", f, v)
	}
}

// TestFrameGolden pins the format: nodes of two releases share a Redis.
func TestFrameGolden(t *testing.T) {
	t.Parallel()
	const want = "c701" + "01" + "0102030405060708" + "1112131415161718" +
		"0000018bcfe5687b" + "000000000000ea60" + "7061796c6f6164"
	f := frame{kind: kindValue, written: time.UnixMilli(1_700_000_000_123), ttl: time.Minute, payload: []byte("payload")}
	if got := hex.EncodeToString(testFramer.encode(f)); got != want {
		t.Errorf("encode = %s, want %s", got, want)
	}
}

func TestFrameRefuses(t *testing.T) {
	t.Parallel()
	good := testFramer.encode(frame{kind: kindValue, written: time.Now(), ttl: time.Minute, payload: []byte("x")})
	for i := range frameHeader {
		if _, v := testFramer.decode(good[:i], 0); v != unreadable {
			t.Errorf("decode of %d bytes succeeded", i)
		}
	}
	change := func(i int, b byte) []byte {
		bad := slices.Clone(good)
		bad[i] = b
		return bad
	}
	for name, b := range map[string][]byte{
		"magic":               change(0, 0),
		"version":             change(1, frameVersion+1),
		"kind 0":              change(2, 0),
		"kind 9":              change(2, 9),
		"absent with payload": change(2, byte(kindAbsent)),
		"lease of one byte":   change(2, byte(kindLease)),
		"life":                change(3, 0xff),
		"endless ttl":         change(27, 0xff),
	} {
		if f, v := testFramer.decode(b, 0); v != unreadable {
			t.Errorf("%s: decode = %+v, %v", name, f, v)
		}
	}
	if _, v := testFramer.decode(change(11, 0xff), 0); v != foreign {
		t.Errorf("another fingerprint: %v, want foreign", v)
	}
}

func TestFrameLeft(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := frame{written: now, ttl: time.Minute}
	for _, tc := range []struct{ at, want time.Duration }{
		{0, time.Minute},
		{20 * time.Second, 40 * time.Second},
		{2 * time.Minute, -time.Minute},
		{-time.Hour, time.Minute}, // the writer's clock is ahead
	} {
		if got := f.left(now.Add(tc.at)); got != tc.want {
			t.Errorf("left after %v = %v, want %v", tc.at, got, tc.want)
		}
	}
}

func FuzzFrameDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(`{"id":"1"}`))
	f.Add(testFramer.encode(newLease(nodeID{1}, time.Now(), time.Second)))
	f.Add(testFramer.encode(frame{kind: kindValue, written: time.Now(), ttl: time.Minute, payload: []byte(`"v"`)}))
	f.Add(testFramer.encode(frame{kind: kindAbsent, written: time.Now(), ttl: time.Minute}))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, v := testFramer.decode(b, 0)
		got.left(time.Now())
		got.leaseOf(nodeID{1})
		if v != readable {
			return
		}
		if again := testFramer.encode(got); !bytes.Equal(again, b) {
			t.Errorf("encode(decode(%x)) = %x", b, again)
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	type same1 struct{ A, B string }
	type same2 struct{ A, B string }
	type list struct {
		Next *list
		V    int
	}
	type tagged struct {
		A string `json:"a"`
		B string
	}
	if a, b := fingerprintOf(reflect.TypeFor[same1]()), fingerprintOf(reflect.TypeFor[same2]()); a != b {
		t.Error("types of one shape have two fingerprints")
	}
	type inner1 struct{ B int }
	type inner2 struct{ B, C int }
	type outer1 struct {
		A inner1
		C int
	}
	type outer2 struct{ A inner2 }
	seen := make(map[uint64]reflect.Type)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[string](),
		reflect.TypeFor[int](),
		reflect.TypeFor[*int](),
		reflect.TypeFor[[]int](),
		reflect.TypeFor[[2]int](),
		reflect.TypeFor[[3]int](),
		reflect.TypeFor[map[string]int](),
		reflect.TypeFor[map[int]string](),
		reflect.TypeFor[same1](),
		reflect.TypeFor[tagged](),
		reflect.TypeFor[list](),
		reflect.TypeFor[struct{ A int }](),
		reflect.TypeFor[struct{ B int }](),
		reflect.TypeFor[struct{ A, B int }](),
		reflect.TypeFor[any](),
		reflect.TypeFor[outer1](),
		reflect.TypeFor[outer2](),
		reflect.TypeFor[struct{ A struct{ B int } }](),
	} {
		fp := fingerprintOf(typ)
		if other, ok := seen[fp]; ok {
			t.Errorf("%v and %v have one fingerprint", typ, other)
		}
		seen[fp] = typ
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	if lifeOf("a") == lifeOf("b") || lifeOf("a") == 0 {
		t.Error("lives of two servers are one")
	}
	if got := infoField("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nport:1\r\n", "run_id"); got != "abc" {
		t.Errorf("runID = %q", got)
	}
	if got := infoField("", "run_id"); got != "" {
		t.Errorf("runID = %q", got)
	}
}
