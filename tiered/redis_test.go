package tiered

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

func TestDialErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    RedisOptions
		want string // in the error
	}{
		"no URL":           {RedisOptions{}, "URL is empty"},
		"no scheme":        {RedisOptions{URL: "localhost:6379"}, "URL: want redis://"},
		"other scheme":     {RedisOptions{URL: "http://localhost"}, "URL: want redis://"},
		"bad port":         {RedisOptions{URL: "redis://:s3cret/x@host:port"}, "URL: want redis://"},
		"bad database":     {RedisOptions{URL: "redis://u:s3cret@host/seven"}, "URL: want redis://"},
		"control bytes":    {RedisOptions{URL: "redis://u:s3cret@ho\x00st"}, "URL: want redis://"},
		"sentinel":         {RedisOptions{URL: "redis://u:s3cret@host?master_set=m"}, "one address"},
		"several servers":  {RedisOptions{URL: "redis://u:s3cret@host?addr=other:1"}, "one address"},
		"negative timeout": {RedisOptions{URL: "redis://host", Timeout: -1}, "RedisOptions.Timeout"},
		"negative bound":   {RedisOptions{Disabled: true, MaxStale: -1}, "RedisOptions.MaxStale"},
	} {
		r, err := Dial(tc.o)
		if err == nil {
			r.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %q, want one about %q and no secret", name, err, tc.want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	r := off(t)
	src := new(source)
	_, err := New(r, plain, src, Options{TTL: -1, AbsentTTL: time.Nanosecond, LocalEntries: -1, LoadTimeout: -1, WaitForFill: -1})
	for _, field := range []string{"TTL", "AbsentTTL", "LocalEntries", "LoadTimeout", "WaitForFill"} {
		if err == nil || !strings.Contains(err.Error(), "tiered: "+field+" is ") {
			t.Errorf("New = %v, does not name %s", err, field)
		}
	}
	if _, err := New[string, string](nil, plain, nil, Options{}); err == nil ||
		!strings.Contains(err.Error(), "Redis") || !strings.Contains(err.Error(), "Loader") {
		t.Errorf("New without Redis and Loader = %v", err)
	}
	if _, err := New(r, Keyspace[string]{}, src, Options{}); err == nil || !strings.Contains(err.Error(), "Keyspace") {
		t.Errorf("New without Keyspace = %v", err)
	}
	newCache(t, r, src, Options{})
	if _, err := New(r, plain, src, Options{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second cache of one name: %v", err)
	}
}

// fleet is two nodes on a server of the test's own.
type fleet struct {
	server *server.Redis
	src    *source
	ra, rb *Redis
	a, b   *Cache[string, string]
}

// newFleet starts a server with args. Only the loss of Redis ends an entry
// before its TTL by itself, after maxStale.
func newFleet(t *testing.T, maxStale time.Duration, args ...string) *fleet {
	t.Helper()
	f := &fleet{server: servertest.Redis(t, args...), src: new(source)}
	o := RedisOptions{URL: f.server.URL(), Timeout: 200 * time.Millisecond, MaxStale: maxStale}
	f.ra, f.rb = dial(t, o), dial(t, o)
	f.a, f.b = newCache(t, f.ra, f.src, Options{}), newCache(t, f.rb, f.src, Options{})
	return f
}

func (f *fleet) cli(t *testing.T, args ...string) {
	t.Helper()
	if _, err := f.server.CLI(args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// change makes a new truth and has a announce it. A busy machine may make the
// announcement late, which is what the journal is for.
func (f *fleet) change(t *testing.T) {
	t.Helper()
	f.src.change()
	if err := f.a.Invalidate(t.Context(), "k"); err != nil && !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
}

func TestRedisDownAtStart(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	srv.Kill()
	var log lockedBuffer
	r, err := Dial(RedisOptions{URL: srv.URL(), MaxStale: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatalf("Dial with Redis down: %v", err)
	}
	src := new(source)
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Err != nil }, "the error in Status")

	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	connected(t, r)
	// What was loaded without Redis is kept for MaxStale, Redis or not.
	get(t, c, "k", "k@0")
	if st := c.Stats(); st.Loads != 1 || st.LocalHits != 1 {
		t.Errorf("after Redis came: %+v, want a local hit", st)
	}
	get(t, c, "another", "another@0")
	if st := c.Stats(); st.Loads != 2 {
		t.Errorf("after Redis came: %+v, want a second load", st)
	}
	r.Close()
	if n := strings.Count(log.String(), "no connection to Redis"); n != 1 {
		t.Errorf("the outage was logged %d times, want once:\n%s", n, log.String())
	}
}

func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 20*time.Millisecond)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0")
	f.server.Kill()
	servertest.Eventually(t, 30*time.Second, func() bool { return !f.ra.Status().Connected && !f.rb.Status().Connected }, "loss")
	f.change(t)
	get(t, f.a, "k", "k@1") // the writing node at once
	sees(t, f.b, "k", "k@1")
	if err := f.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	connected(t, f.ra)
	connected(t, f.rb)
	get(t, f.a, "k", "k@1")
	get(t, f.b, "k", "k@1")
	f.change(t)
	sees(t, f.b, "k", "k@2")
}

func TestConnectionKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	get(t, f.b, "k", "k@0")
	before := f.rb.current.Load()
	f.src.change() // nobody says so: the news was lost with the connection
	f.cli(t, "CLIENT", "KILL", "TYPE", "pubsub")
	anotherSession(t, f.rb, before)
	connected(t, f.rb)
	// The new connection is tracked like the first.
	f.cli(t, "DEL", "k")
	sees(t, f.b, "k", "k@1")
	f.src.change()
	f.cli(t, "DEL", "k")
	sees(t, f.b, "k", "k@2")
}

func TestFlushAll(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0")
	before := f.rb.current.Load()
	f.src.change()
	sessions := f.rb.Status().Sessions
	f.cli(t, "FLUSHALL")
	sees(t, f.b, "k", "k@1")
	// Each of the two connections is told.
	servertest.Eventually(t, 30*time.Second, func() bool { return f.rb.Status().Sessions == sessions+2 }, "two sessions more")
	if f.rb.current.Load() == before {
		t.Error("FLUSHALL began no new session")
	}
	if !f.rb.Status().Connected {
		t.Error("FLUSHALL ended the connection")
	}
}

// TestTrackingTableFull makes Redis forget what nodes hold: it pushes for keys
// that did not change rather than break its promise. The commands under which
// it does so are those of the very nodes that must be told.
func TestTrackingTableFull(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour, "--tracking-table-max-keys", "1")
	del := []string{"DEL"}
	for i := range 20 {
		k := fmt.Sprint("k", i)
		get(t, f.a, k, k+"@0")
		get(t, f.b, k, k+"@0")
		del = append(del, k)
	}
	f.src.change()
	f.cli(t, del...)
	for _, k := range del[1:] {
		sees(t, f.a, k, k+"@1")
		sees(t, f.b, k, k+"@1")
	}
}

// TestEvictionIsPushed fills Redis until it evicts, again under commands of the
// node that must be told. Then nothing is held locally that Redis has not.
func TestEvictionIsPushed(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t, "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random")
	r := dial(t, RedisOptions{URL: srv.URL()})
	big := strings.Repeat("x", 4096)
	c := newCache(t, r, LoaderFunc[string, string](func(context.Context, string) (string, error) { return big, nil }), Options{})
	const keys = 2000
	for i := range keys {
		get(t, c, fmt.Sprint(i), big)
	}
	l := r.current.Load().remote.(*link)
	if st := c.Stats(); st.RedisErrors != 0 {
		t.Fatalf("Redis refused to be filled: %+v", st)
	}
	inRedis, held := 0, 0
	for i := range keys {
		k := fmt.Sprint(i)
		n, err := l.client.Do(t.Context(), l.client.B().Exists().Key(k).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		inRedis += int(n)
		if here(c.local, k, r.current.Load(), r.clock.now()) != nil {
			held++
			if n == 0 {
				t.Errorf("key %d is held locally and not in Redis", i)
			}
		}
	}
	if inRedis == keys || held == 0 {
		t.Errorf("Redis has %d of %d keys, %d are held locally: nothing was tested", inRedis, keys, held)
	}
}

// TestUnreadablePurge: what cannot be understood might name any key.
func TestUnreadablePurge(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	get(t, f.b, "k", "k@0")
	before := f.rb.current.Load()
	f.cli(t, "PUBLISH", purgeChannel+"0", "hello")
	anotherSession(t, f.rb, before)
}

// TestJournal freezes Redis under an invalidation.
func TestJournal(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	get(t, f.a, "k", "k@0")
	get(t, f.b, "k", "k@0")
	f.server.Pause()
	f.src.change()
	if err := f.a.Invalidate(t.Context(), "k"); !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate with Redis frozen = %v, want ErrPending", err)
	}
	get(t, f.a, "k", "k@1") // read-your-writes needs no Redis
	if n := f.ra.Status().Pending; n != 1 {
		t.Errorf("%d invalidations pending, want 1", n)
	}
	f.server.Resume()
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.Status().Pending == 0 }, "delivery")
	sees(t, f.b, "k", "k@1")
	get(t, f.a, "k", "k@1")
}

// TestJournalBeforeTrust: Redis comes back, still with the old value, and the
// node that could not delete it must not read it.
func TestJournalBeforeTrust(t *testing.T) {
	t.Parallel()
	src := new(source)
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	src.change()

	rem := r.current.Load().remote
	setRemote(r, nil, time.Minute)
	if err := c.Invalidate(t.Context(), "k"); !errors.Is(err, ErrPending) {
		t.Fatalf("Invalidate without Redis = %v, want ErrPending", err)
	}
	setRemote(r, rem, forever) // back, and supervise has not replayed yet
	get(t, c, "k", "k@1")
	servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Pending == 0 }, "delivery")
	if held, _, err := rem.read(t.Context(), place{key: r.opts.Prefix + "k"}); held != nil || err != nil {
		t.Errorf("Redis holds %q, %v after delivery", held, err)
	}
}

// TestJournalOutlivesItsConnection: what the journal has when a connection is
// made is sent on it, though nobody asks for it again.
func TestJournalOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second)
	get(t, f.b, "k", "k@0")
	f.src.change()
	f.ra.journal.add([]string{"k"}) // its connection was lost before it could send
	f.cli(t, "CLIENT", "KILL", "TYPE", "pubsub")
	servertest.Eventually(t, 30*time.Second, func() bool { return f.ra.Status().Pending == 0 }, "delivery")
	sees(t, f.b, "k", "k@1")
}

// TestFrozenServer: callers are answered by the loader, and the connection is
// given up and made again.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Hour)
	get(t, f.a, "k", "k@0")
	f.server.Pause()
	get(t, f.a, "other", "other@0")
	if st := f.a.Stats(); st.RedisErrors == 0 {
		t.Errorf("a frozen server was not noticed: %+v", st)
	}
	servertest.Eventually(t, 20*time.Second, func() bool { return !f.ra.Status().Connected }, "the connection to be given up")
	get(t, f.a, "k", "k@0")
	f.server.Resume()
	connected(t, f.ra)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t, "--requirepass", "right")
	var log lockedBuffer
	u := strings.Replace(srv.URL(), "redis://", "redis://:wr0ng-s3cret@", 1)
	if i := strings.LastIndex(srv.URL(), "@"); i >= 0 {
		u = "redis://:wr0ng-s3cret" + srv.URL()[i:]
	}
	r, err := Dial(RedisOptions{URL: u, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Err != nil }, "the error in Status")
	get(t, newCache(t, r, new(source), Options{}), "k", "k@0")
	r.Close()
	if text := log.String() + r.Status().Err.Error(); strings.Contains(text, "s3cret") || !strings.Contains(text, "WRONGPASS") {
		t.Errorf("want WRONGPASS and no secret in: %s", text)
	}
}

func TestCloseRedisTwice(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	src := new(source)
	c := newCache(t, r, src, Options{})
	get(t, c, "k", "k@0")
	r.Close()
	r.Close()
	get(t, c, "k", "k@0") // goes on, without Redis
	if err := c.Invalidate(context.Background(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("Invalidate after Redis.Close = %v, want ErrClosed", err)
	}
	if _, err := New(r, Keyspace[string]{Name: "another", Key: plain.Key}, src, Options{}); !errors.Is(err, ErrClosed) {
		t.Errorf("New after Redis.Close = %v, want ErrClosed", err)
	}
}
