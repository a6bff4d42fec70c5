package inbound

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestMediaOf(t *testing.T) {
	t.Parallel()
	many := url.Values{}
	for i := range maxMedia + 5 {
		many.Set(fmt.Sprint("MediaUrl", i), "u")
	}
	got, err := mediaOf(many, maxMedia+5)
	if n := strings.Count(string(got), `"url"`); n != maxMedia || err != nil {
		t.Errorf("%d media, %v, want %d", n, err, maxMedia)
	}
	if got, err := mediaOf(url.Values{"MediaUrl1": {"u"}}, 1); got != "" || err != nil {
		t.Errorf("media without a URL = %s, %v, want none", got, err)
	}
	for _, form := range []url.Values{
		{"MediaUrl0": {strings.Repeat("u", maxMediaURL+1)}},
		{"MediaUrl0": {"u\x00"}},
		{"MediaUrl0": {"u"}, "MediaContentType0": {strings.Repeat("t", maxMediaType+1)}},
		{"MediaUrl0": {"u"}, "MediaContentType0": {"\xff"}},
	} {
		_, err := mediaOf(form, 1)
		wantRefusal(t, err)
	}
	for _, n := range []string{"x", "-1", "1.5", "99999999999"} {
		_, err := countMedia(url.Values{"NumMedia": {n}})
		wantRefusal(t, err)
	}
}
