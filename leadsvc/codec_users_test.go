package leadsvc_test

import (
	"context"
	"errors"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// Behind a pointer a value is written and read as it is without one.
func TestCodecOfPointers(t *testing.T) {
	t.Parallel()
	for _, v := range cached() {
		switch v := v.(type) {
		case leadsvc.Lead:
			wantPointer(t, v)
		case leadsvc.Organization:
			wantPointer(t, v)
		}
	}
}

func wantPointer[V comparable](t *testing.T, v V) {
	t.Helper()
	want, err := leadsvc.Codec{}.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	data, err := leadsvc.Codec{}.Marshal(&v)
	if err != nil || string(data) != string(want) {
		t.Errorf("Marshal(&%+v) = %s, %v, want %s", v, data, err, want)
	}
	var got *V
	if err := (leadsvc.Codec{}).Unmarshal(data, &got); err != nil || got == nil || *got != v {
		t.Errorf("%s became %+v, %v, want %+v", data, got, err, v)
	}
	for _, foreign := range []string{``, `null`, `{}`, `[]`, `7`, string(data) + `{}`} {
		got := new(V)
		if err := (leadsvc.Codec{}).Unmarshal([]byte(foreign), &got); err == nil || got != nil {
			t.Errorf("%s became %+v, %v, want an error and nil", foreign, got, err)
		}
	}
}

// Another Go program reads what the service keeps in Redis, with a cache of its
// own.
func TestCodecForOtherPrograms(t *testing.T) {
	t.Parallel()
	t.Run("frames", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		lead := f.kept(t, leadsvc.Config{})
		if got := sharing[*pg.Lead](t, f, false, digits+":"+defaultOrg); *got != lead {
			t.Errorf("the other program has %+v, want %+v", *got, lead)
		}
	})
	t.Run("plain JSON", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		lead := f.kept(t, leadsvc.Config{PlainJSON: true})
		if got := sharing[*pg.Lead](t, f, true, digits+":"+defaultOrg); *got != lead {
			t.Errorf("the other program has %+v, want %+v", *got, lead)
		}
		if got := sharing[pg.Lead](t, f, true, digits+":"+defaultOrg); got != lead {
			t.Errorf("by value the other program has %+v, want %+v", got, lead)
		}
	})
}

// kept returns a lead that a service has put into Redis.
func (f *fleet) kept(t *testing.T, cfg leadsvc.Config) leadsvc.Lead {
	t.Helper()
	n := f.node(t, cfg)
	find(t, n, phone)
	return find(t, n, phone)
}

// sharing returns what a program has for key that never loads.
func sharing[V any](t *testing.T, f *fleet, plain bool, key string) V {
	t.Helper()
	link, err := tiered.Dial(tiered.RedisOptions{URL: f.redisURL, Prefix: f.prefix, Timeout: soon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	servertest.Eventually(t, soon, func() bool { return link.Status().Connected }, "the other program to reach Redis")
	load := func(context.Context, string) (v V, err error) { return v, errors.New("it was not in Redis") }
	cache, err := tiered.New(link, tiered.Keyspace[string]{Name: "theirs", Key: func(k string) string { return k }},
		tiered.LoaderFunc[string, V](load), tiered.Options{Codec: leadsvc.Codec{}, PlainJSON: plain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	v, err := cache.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
