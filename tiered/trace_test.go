package tiered

import (
	"testing"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	src := new(source)
	a := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	b := newCache(t, dial(t, RedisOptions{Prefix: prefix}), src, Options{})
	for _, tc := range []struct {
		c    *Cache[string, string]
		want Source
	}{{a, SourceLoader}, {a, SourceLocal}, {b, SourceRedis}, {b, SourceLocal}} {
		ctx, trace := WithTrace(t.Context())
		if _, err := tc.c.Get(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		if got := trace.Source(); got != tc.want {
			t.Errorf("Source = %v, want %v", got, tc.want)
		}
	}
	ctx, trace := WithTrace(t.Context())
	for _, key := range []string{"k", "new", "k"} {
		if _, err := a.Get(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	if got := trace.Source(); got != SourceLoader {
		t.Errorf("Source of three calls = %v, want the slowest, loader", got)
	}
}
