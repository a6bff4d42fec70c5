package tiered

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
)

func TestPlainForm(t *testing.T) {
	t.Parallel()
	p := plainForm{ttl: time.Minute, absentTTL: 10 * time.Second}
	mine := nodeID{1, 2, 3}
	t.Run("a value is what the codec made", func(t *testing.T) {
		b := p.encode(frame{kind: kindValue, payload: []byte(`{"a":1}`)})
		f, v := p.decode(b, 20*time.Second)
		if string(b) != `{"a":1}` || v != readable || f.kind != kindValue || !bytes.Equal(f.payload, b) {
			t.Errorf("encode = %q, decode = %+v, %v", b, f, v)
		}
	})
	t.Run("one that bears a tag ends with a tab", func(t *testing.T) {
		tagged := p
		tagged.tagged = true
		payload := []byte(`{"a":1}`)
		b := tagged.encode(frame{kind: kindValue, payload: payload})
		f, v := tagged.decode(b, 20*time.Second)
		if string(b) != "{\"a\":1}\t" || v != readable || !bytes.Equal(f.payload, payload) {
			t.Errorf("encode = %q, decode = %+v, %v", b, f, v)
		}
	})
	t.Run("what others made endless is never believed after an overflow, and no mark is endless", func(t *testing.T) {
		var j journal
		f, _ := p.decode([]byte("{}"), forever)
		if !j.believes(f) {
			t.Error("not believed before any overflow")
		}
		j.overflow.Store(1)
		if j.believes(f) {
			t.Error("believed after an overflow")
		}
		for _, mark := range []frame{newLease(mine, time.Now(), time.Second), {kind: kindAbsent}} {
			if f, v := p.decode(p.encode(mark), forever); v != unreadable {
				t.Errorf("an endless mark = %+v, %v, want unreadable", f, v)
			}
		}
	})
	t.Run("how old a mark is follows from what is left of its own TTL", func(t *testing.T) {
		f, _ := p.decode(p.encode(frame{kind: kindAbsent}), 4*time.Second)
		if age := time.Since(f.written); age < 6*time.Second || age > 7*time.Second {
			t.Errorf("a mark with 4 s of 10 s left was written %v ago", age)
		}
	})
	t.Run("leases and marks are JSON nulls that say more to us", func(t *testing.T) {
		for _, want := range []frame{newLease(mine, time.Now(), time.Second), {kind: kindAbsent}} {
			b := p.encode(want)
			var null any = 1
			if err := json.Unmarshal(b, &null); err != nil || null != nil {
				t.Errorf("encode = %q, which means %v, %v to another program, want null", b, null, err)
			}
			f, v := p.decode(b, time.Second)
			if v != readable || f.kind != want.kind || !bytes.Equal(f.payload, want.payload) {
				t.Errorf("decode(%q) = %+v, %v, want %+v", b, f, v, want)
			}
		}
		lease := newLease(mine, time.Now(), time.Second)
		if f, _ := p.decode(p.encode(lease), time.Second); !f.leaseOf(mine) || f.leaseOf(nodeID{1, 2, 4}) {
			t.Errorf("%+v is not the lease of its node alone", f)
		}
	})
	t.Run("golden", func(t *testing.T) { // nodes of two releases share a Redis
		if got := string(p.encode(frame{kind: kindAbsent})); got != "null   \n" {
			t.Errorf("absent = %q", got)
		}
		if got := string(p.encode(frame{kind: kindLease, payload: []byte{0x1b}})); got != "null   \r \t\n\r" {
			t.Errorf("lease = %q", got)
		}
	})
	t.Run("any other null is nothing", func(t *testing.T) {
		value := p.encode(frame{kind: kindAbsent})
		value[len(value)-1] = '\t' // kindValue
		for _, b := range []string{"null", "null ", "null\n", "null    ", "null  \r\r", "null   \r", "null   \n    ", string(value)} {
			if f, v := p.decode([]byte(b), time.Second); v != unreadable {
				t.Errorf("decode(%q) = %+v, %v, want unreadable", b, f, v)
			}
		}
	})
	t.Run("what begins like a null and is none is a value", func(t *testing.T) {
		for _, b := range []string{"nullx", "null,", "nul", "", "null\x00", " null"} {
			if f, v := p.decode([]byte(b), time.Second); v != readable || f.kind != kindValue {
				t.Errorf("decode(%q) = %+v, %v, want a value", b, f, v)
			}
		}
	})
	t.Run("it lives as long as Redis says, and no longer than its TTL", func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: time.Minute, forever: time.Minute, -1: -1} {
			f, _ := p.decode([]byte("{}"), left)
			if got := f.left(time.Now()); got > want || got < want-time.Second {
				t.Errorf("of %v there are %v left, want %v", left, got, want)
			}
		}
	})
}

func FuzzPlainDecode(f *testing.F) {
	p := plainForm{ttl: time.Minute}
	f.Add([]byte(`{"a":1}`), int64(time.Second))
	f.Add(p.encode(frame{kind: kindAbsent}), int64(0))
	f.Add(p.encode(newLease(nodeID{1}, time.Now(), time.Second)), int64(-1))
	f.Fuzz(func(t *testing.T, b []byte, left int64) {
		got, v := p.decode(b, time.Duration(left))
		if v != readable {
			return
		}
		if again := p.encode(got); !bytes.Equal(again, b) {
			t.Errorf("encode(decode(%q)) = %q", b, again)
		}
		if rest := got.left(time.Now()); rest > p.ttl {
			t.Errorf("%v left, more than the TTL", rest)
		}
	})
}

// A stranger is a program that is no node of ours and shares the key "k".
type stranger struct {
	t      *testing.T
	client rueidis.Client
	key    string
}

func newStranger(t *testing.T, prefix string) stranger {
	t.Helper()
	client, err := servertest.NewClient(servertest.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return stranger{t, client, prefix + "k"}
}

// set stores value for ttl, or for ever if that is 0.
func (s stranger) set(value string, ttl time.Duration) {
	s.t.Helper()
	command := s.client.B().Set().Key(s.key).Value(value).Build()
	if ttl > 0 {
		command = s.client.B().Set().Key(s.key).Value(value).Px(ttl).Build()
	}
	if err := s.client.Do(s.t.Context(), command).Error(); err != nil {
		s.t.Fatal(err)
	}
}

func (s stranger) del() {
	s.t.Helper()
	if n, err := s.client.Do(s.t.Context(), s.client.B().Del().Key(s.key).Build()).AsInt64(); n != 1 || err != nil {
		s.t.Fatalf("DEL removed %d keys, %v, want 1", n, err)
	}
}

func (s stranger) get() string {
	s.t.Helper()
	v, err := s.client.Do(s.t.Context(), s.client.B().Get().Key(s.key).Build()).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		s.t.Fatal(err)
	}
	return v
}

// The two kinds of key that other programs may share.
var shared = map[string]Keyspace[string]{"without tag": plain, "with a tag": {Name: "plain", Key: plain.Key, Tag: func(string) string { return "t" }}}

// TestPlainJSON: a program in another language shares the values.
func TestPlainJSON(t *testing.T) {
	t.Parallel()
	for name, keys := range shared {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testPlainJSON(t, keys)
		})
	}
}

func testPlainJSON(t *testing.T, keys Keyspace[string]) {
	t.Helper()
	type bundle struct {
		src    *source
		c      *Cache[string, string]
		prefix string
		they   stranger
	}
	setup := func(t *testing.T) bundle {
		t.Helper()
		t.Parallel()
		prefix, src := newPrefix(t), new(source)
		r := dial(t, RedisOptions{Prefix: prefix})
		return bundle{src, newCacheOf(t, r, keys, src, Options{PlainJSON: true}), prefix, newStranger(t, prefix)}
	}
	t.Run("it reads what we write", func(t *testing.T) {
		b := setup(t)
		get(t, b.c, "k", "k@0")
		if got := strings.TrimSuffix(b.they.get(), "\t"); got != `"k@0"` {
			t.Errorf("Redis holds %q, want the JSON alone", got)
		}
	})
	t.Run("we read what it writes", func(t *testing.T) {
		b := setup(t)
		b.they.set(` "theirs" `, time.Minute)
		get(t, b.c, "k", "theirs")
		get(t, b.c, "k", "theirs")
		if st := b.c.Stats(); st.Loads != 0 || st.LocalHits != 1 {
			t.Errorf("want no load and one local hit: %+v", st)
		}
	})
	t.Run("its SET reaches a node that holds the value", func(t *testing.T) {
		b := setup(t)
		get(t, b.c, "k", "k@0")
		b.they.set(`"theirs"`, time.Minute)
		sees(t, b.c, "k", "theirs")
		b.they.set(`"again"`, time.Minute)
		sees(t, b.c, "k", "again")
	})
	t.Run("its DEL reaches a node that holds the value", func(t *testing.T) {
		b := setup(t)
		get(t, b.c, "k", "k@0")
		b.src.change()
		b.they.del()
		sees(t, b.c, "k", "k@1")
	})
	t.Run("its DEL during a load voids the fill", func(t *testing.T) {
		b := setup(t)
		b.src.hook(nil, func(string) { b.src.change(); b.they.del() })
		get(t, b.c, "k", "k@0")
		b.src.hook(nil, nil)
		get(t, b.c, "k", "k@1")
	})
	t.Run("its SET during a load stands", func(t *testing.T) {
		b := setup(t)
		b.src.hook(nil, func(string) { b.they.set(`"theirs"`, time.Minute) })
		get(t, b.c, "k", "k@0")
		b.src.hook(nil, nil)
		get(t, b.c, "k", "theirs")
	})
	t.Run("while we load it sees a null", func(t *testing.T) {
		b := setup(t)
		b.src.hook(nil, func(string) {
			if v := b.they.get(); strings.TrimSpace(v) != "null" || v == "null" {
				t.Errorf("Redis holds %q, want a null and white space", v)
			}
		})
		get(t, b.c, "k", "k@0")
	})
	t.Run("what is absent is a null to it", func(t *testing.T) {
		b := setup(t)
		b.src.hook(func(context.Context, string) error { return ErrNotFound }, nil)
		another := newCacheOf(t, dial(t, RedisOptions{Prefix: b.prefix}), keys, b.src, Options{PlainJSON: true})
		for _, c := range []*Cache[string, string]{b.c, another} {
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Get = %v, want ErrNotFound", err)
			}
		}
		if n := b.src.loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1: absence is shared too", n)
		}
		if v := b.they.get(); strings.TrimSpace(v) != "null" {
			t.Errorf("Redis holds %q, want a null", v)
		}
	})
	t.Run("its null, and what is no JSON, is a miss and is replaced", func(t *testing.T) {
		b := setup(t)
		for _, v := range []string{"null", "null ", "{", "", "\xc7\x01", `{"a":1}`} {
			b.they.set(v, time.Minute)
			servertest.Eventually(t, 30*time.Second, func() bool {
				got, err := b.c.Get(t.Context(), "k")
				return err == nil && got == "k@0" && strings.TrimSuffix(b.they.get(), "\t") == `"k@0"`
			}, "replacement")
		}
	})
	t.Run("an invalidation deletes what it wrote, read or not", func(t *testing.T) {
		b := setup(t)
		b.they.set(`"theirs"`, 0)
		get(t, b.c, "k", "theirs")
		b.they.set(`"unread"`, 0)
		if err := b.c.Invalidate(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		get(t, b.c, "k", "k@0")
	})
}

// A value of another program that bears a tag is found by the tag once any node
// has read it.
func TestPlainJSONTag(t *testing.T) {
	t.Parallel()
	prefix, src := newPrefix(t), new(source)
	they := newStranger(t, prefix)
	ra, rb := dial(t, RedisOptions{Prefix: prefix}), dial(t, RedisOptions{Prefix: prefix})
	a := newCacheOf(t, ra, shared["with a tag"], src, Options{PlainJSON: true})
	b := newCacheOf(t, rb, shared["with a tag"], src, Options{PlainJSON: true})
	they.set(`"theirs"`, 0)
	get(t, a, "k", "theirs")
	if err := rb.Invalidate(t.Context(), Tagged("t")); err != nil {
		t.Fatal(err)
	}
	get(t, b, "k", "k@0")
	sees(t, a, "k", "k@0")
}

// Where nothing tells of what another program does, its values are kept for
// MaxStale only.
func TestPlainJSONWithoutTracking(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"", "?protocol=2"} {
		prefix := newPrefix(t)
		r := dial(t, RedisOptions{Prefix: prefix, URL: servertest.RedisURL(t) + query, MaxStale: 50 * time.Millisecond})
		c := newCache(t, r, new(source), Options{PlainJSON: true})
		they := newStranger(t, prefix)
		they.set(`"theirs"`, time.Hour)
		get(t, c, "k", "theirs")
		they.set(`"again"`, time.Hour)
		sees(t, c, "k", "again")
	}
}

// However long another program lets its value live, it is its value.
func TestPlainJSONLongLives(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	they := newStranger(t, prefix)
	c := newCache(t, dial(t, RedisOptions{Prefix: prefix}), new(source), Options{PlainJSON: true})
	for _, ttl := range []time.Duration{0, time.Second, 24 * time.Hour, 290 * 365 * 24 * time.Hour} {
		want := fmt.Sprint("lives ", ttl)
		they.set(fmt.Sprintf("%q", want), ttl)
		sees(t, c, "k", want)
		hits := c.Stats().LocalHits
		get(t, c, "k", want)
		if c.Stats().LocalHits == hits {
			t.Errorf("a value with a TTL of %v is not kept locally", ttl)
		}
	}
	if _, err := they.client.Do(t.Context(), they.client.B().Expire().Key(they.key).Seconds(9_999_999_999).Build()).AsInt64(); err != nil {
		t.Fatal(err)
	}
	get(t, c, "k", "lives 2540400h0m0s")
	if n := c.Stats().Loads; n != 0 {
		t.Errorf("%d loads, want none", n)
	}
}

// A value whose JSON is null cannot be told from none: it is not put into Redis.
func TestPlainJSONNull(t *testing.T) {
	t.Parallel()
	prefix := newPrefix(t)
	r := dial(t, RedisOptions{Prefix: prefix})
	c, err := New(r, plain, LoaderFunc[string, *int](func(context.Context, string) (*int, error) { return nil, nil }), Options{PlainJSON: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v, err := c.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("Get = %v, %v, want nil", v, err)
	}
	if v := newStranger(t, prefix).get(); v != "" {
		t.Errorf("Redis holds %q, want nothing", v)
	}
}

// After the journal has overflowed, values that may be older are not believed.
// How old a plain one is follows from what is left of its time.
func TestPlainJSONAfterOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, src := newFakeServer(), new(source)
		r := server.redis()
		o := Options{PlainJSON: true, TTL: time.Minute}
		get(t, newCache(t, server.redis(), src, o), "k", "k@0")
		time.Sleep(time.Second)
		r.journal.overflow.Store(time.Now().UnixMilli())
		time.Sleep(time.Second)
		src.change()
		c := newCache(t, r, src, o)
		get(t, c, "k", "k@1")
		loads := src.loads.Load()
		time.Sleep(30 * time.Second)
		setRemote(r, r.current.Load().remote, forever)
		get(t, c, "k", "k@1")
		if n := src.loads.Load() - loads; n > 1 {
			t.Errorf("%d loads of a value from after the overflow, want none or, by the jitter of its TTL, one", n)
		}
	})
}
