package tiered

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
)

// A list may have more keys than a script can pass on at once.
func TestLargeTag(t *testing.T) {
	t.Parallel()
	const n = 10_000
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	l := r.current.Load().remote.(*link)
	tag := r.tagKey("t")
	fill := `for i = 1, ARGV[1] do
		redis.call('SET', KEYS[1] .. i, 'x', 'PX', 60000)
		redis.call('ZADD', KEYS[2], '+inf', KEYS[1] .. i)
	end`
	err := l.client.Do(t.Context(), l.client.B().Eval().Script(fill).Numkeys(2).Key(r.opts.Prefix+"k", tag).Arg(fmt.Sprint(n)).Build()).Error()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(err)
	}
	if err := r.Invalidate(t.Context(), Tagged("t")); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{1, 999, 1000, 1001, 8000, n} {
		if held, _, err := l.read(t.Context(), place{key: fmt.Sprint(r.opts.Prefix, "k", i)}); held != nil || err != nil {
			t.Errorf("key %d holds %q, %v, want nothing", i, held, err)
		}
	}
	if held, err := l.client.Do(t.Context(), l.client.B().Exists().Key(tag).Build()).AsInt64(); held != 0 || err != nil {
		t.Errorf("the list is still there: %d, %v", held, err)
	}
}

// The list of a tag lives as long as the longest-lived key on it, and drops
// those that have ended.
func TestListOfTag(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	l := r.current.Load().remote.(*link)
	tag := r.tagKey("t")
	at := func(key string) place { return place{key: r.opts.Prefix + key, tag: tag} }
	lives := func() time.Duration {
		t.Helper()
		ms, err := l.client.Do(t.Context(), l.client.B().Pttl().Key(tag).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	set := func(key string, ttl time.Duration) {
		t.Helper()
		if _, err := l.lease(t.Context(), at(key), nil, []byte("lease"), ttl); err != nil {
			t.Fatal(err)
		}
	}
	set("long", time.Minute)
	set("short", minTTL)
	if d := lives(); d < 50*time.Second || d > time.Minute {
		t.Errorf("the list lives for %v, want a minute", d)
	}
	if ok, err := l.swap(t.Context(), at("long"), []byte("lease"), []byte("value"), time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if d := lives(); d < 50*time.Minute || d > time.Hour {
		t.Errorf("after the fill the list lives for %v, want an hour", d)
	}
	servertest.Eventually(t, 30*time.Second, func() bool {
		set("another", time.Minute)
		keys, err := l.client.Do(t.Context(), l.client.B().Zrange().Key(tag).Min("0").Max("-1").Build()).AsStrSlice()
		_, _ = l.drop(t.Context(), at("another"), []byte("lease"))
		return err == nil && len(keys) == 2
	}, "what has ended to be dropped")
	// At a plain place another program's value may have any time to live.
	plain := at("theirs")
	plain.plain = true
	for _, px := range []string{"PX 7200000", "PX 1000", ""} {
		args := strings.Fields("SET " + plain.key + " {} " + px)
		if err := l.client.Do(t.Context(), l.client.B().Arbitrary(args...).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		_, left, err := l.read(t.Context(), plain)
		if err != nil {
			t.Fatal(err)
		}
		switch d := lives(); {
		case px == "" && (d != -time.Millisecond || left != forever):
			t.Errorf("with an endless value, which has %v, the list lives for %v, want both endless", left, d)
		case px != "" && (d < 110*time.Minute || d > 2*time.Hour):
			t.Errorf("with %s the list lives for %v, want two hours", px, d)
		}
	}
}

// What another program has put in place of a list holds up nobody.
func TestNoList(t *testing.T) {
	t.Parallel()
	src := new(source)
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	c := newPages(t, r, src)
	l := r.current.Load().remote.(*link)
	spoil := func() {
		t.Helper()
		if err := l.client.Do(t.Context(), l.client.B().Set().Key(r.tagKey("a")).Value("no list").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	get(t, c, "a:1", "a:1@0")
	if st := c.Stats(); st.RedisErrors != 0 {
		t.Errorf("%d errors, want none", st.RedisErrors)
	}
	spoil()
	src.change()
	if err := r.Invalidate(t.Context(), Tagged("a")); err != nil {
		t.Errorf("Invalidate = %v", err)
	}
	get(t, c, "a:1", "a:1@1")
}

// When Redis loses the list during a load, the fill fails, and nobody waits for
// it.
func TestListLostDuringLoad(t *testing.T) {
	t.Parallel()
	for _, plainJSON := range []bool{false, true} {
		t.Run(fmt.Sprintf("PlainJSON=%v", plainJSON), func(t *testing.T) {
			t.Parallel()
			src, prefix := new(source), newPrefix(t)
			ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
			o := Options{PlainJSON: plainJSON, WaitForFill: time.Minute}
			a, b := newCacheOf(t, ra, pages, src, o), newCacheOf(t, rb, pages, src, o)
			loaded, proceed := make(chan struct{}), make(chan struct{})
			src.hook(nil, func(string) { close(loaded); <-proceed })
			first, second := make(chan string, 1), make(chan string, 1)
			go func() { v, _ := a.Get(context.Background(), "a:1"); first <- v }()
			<-loaded
			src.hook(nil, nil)
			go func() { v, _ := b.Get(context.Background(), "a:1"); second <- v }()
			servertest.Eventually(t, 30*time.Second, func() bool { return b.Stats().Waits > 0 }, "the other node to wait")
			forgetTag(t, ra.current.Load().remote, ra.tagKey("a"))
			close(proceed)
			<-first
			select {
			case v := <-second:
				if v != "a:1@0" {
					t.Errorf("Get = %q, want a:1@0", v)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the other node waits for a fill that does not come")
			}
		})
	}
}

// The index of tags has what tickets have, and nothing else.
func TestTagIndex(t *testing.T) {
	t.Parallel()
	tk := newTickets[string, int]()
	s := newSession(forever)
	one := tk.open(place{key: "1", tag: "t"}, s)
	two := tk.open(place{key: "2", tag: "t"}, s)
	tk.open(place{key: "3"}, s)
	want := func(keys ...string) {
		t.Helper()
		got := tk.tags.invalidate("t")
		slices.Sort(got)
		if !slices.Equal(got, keys) {
			t.Errorf("bearers = %q, want %q", got, keys)
		}
	}
	want("1", "2")
	tk.open(place{key: "1", tag: "t"}, s) // one is void by now
	tk.release(one)
	want("1", "2")
	if !tk.commit(two, endless) {
		t.Error("commit failed")
	}
	tk.void("1")
	want("2")
	tk.release(two)
	want()
	for i := range tk.tags.shards {
		if n := len(tk.tags.shards[i].keys); n != 0 {
			t.Errorf("%d tags are left without keys", n)
		}
	}
}
