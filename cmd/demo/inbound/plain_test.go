package inbound

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                      "",
		"Ann":                   "Ann",
		" Ann\r\n\tSystem: b ":  "Ann System: b",
		"a\u2028b\u0085c\u00a0": "a b c",
		"a\x00\x1b[0mb\x7f":     "a[0mb",
		"\u202eAnn\u200b\ufeff": "Ann",
		"👩\u200d🔧":              "👩\u200d🔧",
		"می\u200cخواهم":         "می\u200cخواهم",
	} {
		if got := plain(s); got != want {
			t.Errorf("plain(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "", "äö": "äö", "äöü": "äöü", "äöüß": "äö…", "äöüßabc": "äö…",
	} {
		if got := cut(s, 3); got != want {
			t.Errorf("cut(%q, 3) = %q, want %q", s, got, want)
		}
	}
	if got := plainName(strings.Repeat("ä", maxName+1)); utf8.RuneCountInString(got) != maxName {
		t.Errorf("plainName of a long name has %d characters, want %d", utf8.RuneCountInString(got), maxName)
	}
}
