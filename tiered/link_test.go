package tiered

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

// TestManyCommandsOnFrozenServer: rueidis' queue never fills up, where callers
// would wait without regard for their contexts.
func TestManyCommandsOnFrozenServer(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	r := dial(t, RedisOptions{URL: srv.URL()})
	l, err := r.connect() // with nobody to give it up
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	srv.Pause()
	defer srv.Resume()
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if _, _, err := l.read(ctx, place{key: "k"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("read = %v, want DeadlineExceeded", err)
			}
		})
	}
	wg.Wait()
	if n := l.abandoned.Load(); n != maxInFlight || len(l.slots) != maxInFlight {
		t.Errorf("%d commands are on their way, %d slots taken, want %d", n, len(l.slots), maxInFlight)
	}
}

// TestAbandonedCommands: their slots are free again when the server answers.
func TestAbandonedCommands(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	l := r.current.Load().remote.(*link)
	for range 2 * maxInFlight {
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		_, _, _ = l.read(ctx, place{key: r.opts.Prefix + "k"})
		cancel()
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return l.abandoned.Load() == 0 && len(l.slots) == 0 }, "free slots")
	if _, _, err := l.read(t.Context(), place{key: r.opts.Prefix + "k"}); err != nil {
		t.Error(err)
	}
	if r.current.Load().remote != remote(l) {
		t.Error("a connection that answers was given up")
	}
}

// TestAnyAnswerIsASignOfLife: a server that refuses PING is not dead.
func TestAnyAnswerIsASignOfLife(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "default", "-ping"); err != nil {
		t.Fatal(err)
	}
	r := dial(t, RedisOptions{URL: srv.URL()})
	before := r.current.Load()
	l := before.remote.(*link)
	l.abandoned.Add(1) // a command whose caller has left
	l.slots <- struct{}{}
	l.stalled <- struct{}{}
	servertest.Eventually(t, 30*time.Second, func() bool { return l.abandoned.Load() == 0 }, "revival")
	get(t, newCache(t, r, new(source), Options{}), "k", "k@0")
	if r.current.Load() != before {
		t.Error("the connection was given up")
	}
}

// TestScriptsRefused: without scripts nothing can be filled, so Redis is not
// used, and Status says why.
func TestScriptsRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	if _, err := srv.CLI("ACL", "SETUSER", "default", "-eval", "-evalsha"); err != nil {
		t.Fatal(err)
	}
	r, err := Dial(RedisOptions{URL: srv.URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	servertest.Eventually(t, 30*time.Second, func() bool { return r.Status().Err != nil }, "the error in Status")
	if err := r.Status().Err; !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Status.Err = %v, want NOPERM", err)
	}
	get(t, newCache(t, r, new(source), Options{}), "k", "k@0")
}

// TestRepliesStayDiscreet: Redis quotes the arguments of a command that it does
// not know.
func TestRepliesStayDiscreet(t *testing.T) {
	t.Parallel()
	const number, secret = "+17785550000", "s3cret"
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))

	srv := servertest.Redis(t, "--rename-command", "GET", "", "--rename-command", "UNLINK", "")
	r := dial(t, RedisOptions{URL: srv.URL(), Logger: logger})
	c := newCache(t, r, new(source), Options{})
	get(t, c, number, number+"@0")
	if err := r.Status().Err; err == nil || !strings.Contains(err.Error(), "GET") {
		t.Errorf("Status.Err = %v, want the command's name", err)
	}
	err := c.Invalidate(t.Context(), number)
	if !errors.Is(err, ErrPending) {
		t.Errorf("Invalidate = %v, want ErrPending", err)
	}

	srv = servertest.Redis(t, "--rename-command", "HELLO", "", "--rename-command", "AUTH", "")
	r2, dialErr := Dial(RedisOptions{URL: strings.Replace(srv.URL(), "redis://", "redis://:"+secret+"@", 1), Logger: logger})
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	servertest.Eventually(t, 30*time.Second, func() bool { return r2.Status().Err != nil }, "the error in Status")
	r2.Close()
	text := fmt.Sprint(err, r.Status().Err, r2.Status().Err, log.String())
	if strings.Contains(text, number) || strings.Contains(text, secret) {
		t.Errorf("an argument is quoted: %s", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestLargeValues: as many as may be asked for at once do not make Redis cut
// the connection, and larger ones are not put there.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	size := maxPayload - 2 // JSON adds the quotes
	load := LoaderFunc[string, string](func(_ context.Context, k string) (string, error) {
		if k == "too large" {
			return strings.Repeat("x", size+1), nil
		}
		return strings.Repeat("x", size), nil
	})
	r := dial(t, RedisOptions{URL: srv.URL(), MaxStale: time.Hour})
	a := newCache(t, dial(t, RedisOptions{URL: srv.URL()}), load, Options{})
	b := newCache(t, r, load, Options{})
	const keys = 2 * maxInFlight
	var wg sync.WaitGroup
	for _, c := range []*Cache[string, string]{a, b} {
		for i := range keys {
			wg.Go(func() {
				if _, err := c.Get(context.Background(), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	log, err := srv.Log()
	if err != nil || strings.Contains(log, "output buffer limits") {
		t.Errorf("Redis cut a connection (%v): %s", err, log)
	}
	if st := b.Stats(); st.RedisHits == 0 {
		t.Errorf("nothing was read from Redis: %+v", st)
	}
	// It is kept here, for MaxStale, unless a starved machine loses the connection.
	servertest.Eventually(t, 30*time.Second, func() bool {
		before := b.Stats()
		for range 3 {
			if _, err := b.Get(t.Context(), "too large"); err != nil {
				t.Error(err)
			}
		}
		return b.Stats().LocalHits >= before.LocalHits+2
	}, "local hits of a value that is too large for Redis")
	if out, err := srv.CLI("EXISTS", "too large"); strings.TrimSpace(out) != "0" || err != nil {
		t.Errorf("EXISTS = %q, %v, want too large a value kept out", out, err)
	}
}

// TestFarServer is 70 ms away in each direction, and its owner has said so.
func TestFarServer(t *testing.T) {
	t.Parallel()
	p, err := proxy.Listen(servertest.Redis(t).Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.Delay(proxy.Both, 70*time.Millisecond)
	r := dial(t, RedisOptions{URL: "redis://" + p.Addr() + "?dial_timeout=5s"})
	get(t, newCache(t, r, new(source), Options{}), "k", "k@0")
}

// TestCommandConnectionKilled: of the two connections that RESP2 needs, rueidis
// reports the loss of one only.
func TestCommandConnectionKilled(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t)
	r := dial(t, RedisOptions{URL: srv.URL() + "?protocol=2", MaxStale: minTTL})
	c := newCache(t, r, new(source), Options{})
	get(t, c, "k", "k@0")
	if _, err := srv.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
		t.Fatal(err)
	}
	n := 0
	servertest.Eventually(t, 30*time.Second, func() bool {
		before := c.Stats()
		n++
		get(t, c, fmt.Sprint(n), fmt.Sprint(n, "@0"))
		after := c.Stats()
		return n > 1 && after.RedisErrors == before.RedisErrors && r.Status().Connected
	}, "Redis to be used again")
}

// TestNobodyElseConnects: the shared connection that rueidis offers stays shut,
// and a link that is not the current one restarts nothing.
func TestNobodyElseConnects(t *testing.T) {
	t.Parallel()
	r := dial(t, RedisOptions{Prefix: newPrefix(t)})
	if err := r.client.Do(t.Context(), r.client.B().Ping().Build()).Error(); !errors.Is(err, errNoDial) {
		t.Errorf("PING on a connection of rueidis' own = %v, want errNoDial", err)
	}
	before := r.current.Load()
	r.restart(new(link), errForgotten)
	if r.current.Load() != before {
		t.Error("a link of the past began a session")
	}
}
