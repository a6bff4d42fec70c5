package inbound

import (
	"testing"

	"leadcache/leadsvc"
)

func TestInWords(t *testing.T) {
	t.Parallel()
	for doc, want := range map[leadsvc.JSON]string{
		"":                             "",
		`null`:                         "",
		`{`:                            "",
		`"1 Main St"`:                  "1 Main St",
		`12345678901234567890.50`:      "12345678901234567890.50",
		`true`:                         "yes",
		`[]`:                           "",
		`["a","\u003cb\u003e",null,2]`: "a, <b>, 2",
		`{"b_c":{"d":[1,2]},"a":"x","e":null,"f":{}}`: "a: x; b c: d: 1, 2",
	} {
		if got := inWords(doc); got != want {
			t.Errorf("inWords(%s) = %q, want %q", doc, got, want)
		}
	}
}
