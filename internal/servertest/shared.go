//go:build unix

package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"leadcache/internal/server"
)

// A runner is a server of either kind.
type runner interface {
	URL() string
	Stop()
}

// A shared server is started by the first test that asks for it.
type shared struct {
	variable string // of the environment; names a server to use instead
	start    func(context.Context) (runner, error)

	mu     sync.Mutex // held while the server starts
	asked  bool
	server runner // nil unless asked and err is nil
	err    error
}

var (
	sharedRedis    = &shared{variable: "REDIS_URL", start: startRedis}
	sharedPostgres = &shared{variable: "DATABASE_URL", start: startPostgres}
)

func startRedis(ctx context.Context) (runner, error) {
	return server.StartRedis(ctx)
}

func startPostgres(ctx context.Context) (runner, error) {
	return server.StartPostgres(ctx)
}

func (s *shared) url(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(s.variable); url != "" {
		return url
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.asked = true
		// Not the test's context: the server outlives the test.
		if s.server, s.err = s.start(context.Background()); s.err != nil {
			s.server = nil // not an interface that holds a nil pointer
		}
	}
	started(t, s.err)
	return s.server.URL()
}

func (s *shared) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Stop()
	}
}

// started ends a test whose server could not be started. Without the binary
// the test is skipped, but not under CI, where a skipped test would be one
// that nobody runs.
func started(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if _, missing := errors.AsType[*server.MissingError](err); missing && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// RedisURL returns the URL of a Redis that other tests use too: the one that
// REDIS_URL names, or else one private server for the whole test binary. It is
// not for tests that change the server; keys go under a [Prefix]. The URL may
// hold a password.
func RedisURL(t testing.TB) string {
	t.Helper()
	return sharedRedis.url(t)
}

// DatabaseURL returns the URL of a Postgres that other tests use too: the one
// that DATABASE_URL names, or else one private server for the whole test
// binary. Tables go into a [Schema]. The URL may hold a password.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	return sharedPostgres.url(t)
}

// Redis starts a server for this test alone, which stops when the test and
// its sub-tests end. The args are appended to its command line.
func Redis(t testing.TB, args ...string) *server.Redis {
	t.Helper()
	r, err := server.StartRedis(t.Context(), args...)
	started(t, err)
	t.Cleanup(r.Stop)
	return r
}

// Postgres starts a server for this test alone, which stops when the test and
// its sub-tests end.
func Postgres(t testing.TB) *server.Postgres {
	t.Helper()
	p, err := server.StartPostgres(t.Context())
	started(t, err)
	t.Cleanup(p.Stop)
	return p
}

// Main runs the tests, stops the shared servers, checks that no goroutine is
// left and ends the process. It is called from TestMain. The options are for
// goroutines of others that cannot be stopped.
func Main(m *testing.M, options ...goleak.Option) {
	code := m.Run()
	schemas.close()
	sharedRedis.stop()
	sharedPostgres.stop()
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
