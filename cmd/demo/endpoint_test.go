package main

import (
	"net/http"
	"testing"
	"time"

	"leadcache/tiered"
)

func TestReadLookup(t *testing.T) {
	for _, test := range []struct {
		name, source, timing string
		want                 lookup
		ok                   bool
	}{
		{"local", "local", "lookup;dur=0.004", lookup{tiered.SourceLocal, 4 * time.Microsecond}, true},
		{"database", "loader", "lookup;dur=12", lookup{tiered.SourceLoader, 12 * time.Millisecond}, true},
		{"among others", "redis", "db;dur=9, lookup;dur=1.5, total;dur=9", lookup{tiered.SourceRedis, 1500 * time.Microsecond}, true},
		{"of another name", "redis", "nolookup;dur=1.5", lookup{}, false},
		{"no source", "", "lookup;dur=1", lookup{}, false},
		{"unknown source", "disk", "lookup;dur=1", lookup{}, false},
		{"no time", "local", "", lookup{}, false},
		{"no number", "local", "lookup;dur=fast", lookup{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"Cache-Source": {test.source}, "Server-Timing": {test.timing}}
			got, err := readLookup(h)
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("readLookup = %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}
