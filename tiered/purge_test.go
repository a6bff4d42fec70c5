package tiered

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPurge(t *testing.T) {
	t.Parallel()
	node := nodeID{1, 2, 3}
	for _, keys := range [][]string{nil, {""}, {"a"}, {"a", "", "\x00\xff", strings.Repeat("k", 300)}} {
		want := purge{7, node, keys}
		got, err := decodePurge("7 " + string(want.encode()))
		if err != nil {
			t.Fatalf("decode(encode(%q)): %v", keys, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(purge{})); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	}
	whole := "12 " + string(purge{node: node, keys: []string{"key"}}.encode())
	for i := range whole {
		if p, err := decodePurge(whole[:i]); err == nil && i != len("12 ")+purgeHeader {
			t.Errorf("decode of the first %d bytes = %+v", i, p)
		}
	}
	if _, err := decodePurge(whole + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"); err == nil {
		t.Error("a key longer than the message was accepted")
	}
}

func FuzzPurgeDecode(f *testing.F) {
	f.Add("")
	f.Add("hello")
	f.Add("0 " + string(purge{node: nodeID{9}, keys: []string{"a", "b"}}.encode()))
	f.Fuzz(func(t *testing.T, m string) {
		p, err := decodePurge(m)
		if err != nil {
			return
		}
		again, err := decodePurge(fmt.Sprint(p.number, " ") + string(p.encode()))
		if diff := cmp.Diff(p, again, cmp.AllowUnexported(purge{})); err != nil || diff != "" {
			t.Errorf("decode(encode(%+v)) = %+v, %v", p, again, err)
		}
	})
}
