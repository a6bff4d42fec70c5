//go:build unix

package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"leadcache/internal/server"
)

func TestMain(m *testing.M) { Main(m) }

func TestRedisURL(t *testing.T) {
	if first, second := RedisURL(t), RedisURL(t); first != second {
		t.Errorf("RedisURL = %q, then %q, want one server", first, second)
	}
	t.Setenv("REDIS_URL", "redis://elsewhere:1/2")
	if got := RedisURL(t); got != "redis://elsewhere:1/2" {
		t.Errorf("RedisURL = %q, want REDIS_URL", got)
	}
}

func TestDatabaseURL(t *testing.T) {
	if first, second := DatabaseURL(t), DatabaseURL(t); first != second {
		t.Error("DatabaseURL names two servers, want one")
	}
	t.Setenv("DATABASE_URL", "postgres://elsewhere")
	if got := DatabaseURL(t); got != "postgres://elsewhere" {
		t.Errorf("DatabaseURL = %q, want DATABASE_URL", got)
	}
}

func TestPrefix(t *testing.T) {
	redisURL := RedisURL(t)
	client, err := NewClient(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	set := func(t *testing.T, key string) {
		t.Helper()
		if err := client.Do(t.Context(), client.B().Set().Key(key).Value("v").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	left := func(prefix string) (n int) {
		t.Helper()
		keys, err := client.Do(t.Context(), client.B().Keys().Pattern(prefix+"*").Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return len(keys)
	}

	const many = 2500 // more than one SCAN returns
	var inner string
	outer := Prefix(t, redisURL)
	set(t, outer+"k")
	t.Run("a test with keys", func(t *testing.T) {
		inner = Prefix(t, redisURL)
		for i := range many {
			set(t, fmt.Sprintf("%sk%d", inner, i))
		}
		if got := left(inner); got != many {
			t.Errorf("%d keys during the test, want %d", got, many)
		}
	})
	if inside, outside := left(inner), left(outer); inside != 0 || outside != 1 {
		t.Errorf("after the test %d keys under its prefix and %d under another, want 0 and 1", inside, outside)
	}
}

func TestSchema(t *testing.T) {
	databaseURL := DatabaseURL(t)
	count := func(name string) (n int) {
		t.Helper()
		conn := connect(t, databaseURL)
		const sql = "select count(*) from pg_namespace where nspname = $1"
		if err := conn.QueryRow(t.Context(), sql, name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	var name string
	t.Run("a test with a table", func(t *testing.T) {
		conn := connect(t, Schema(t, databaseURL))
		if _, err := conn.Exec(t.Context(), "create table things (n int)"); err != nil {
			t.Fatal(err)
		}
		const sql = "select schemaname from pg_tables where tablename = 'things'"
		if err := conn.QueryRow(t.Context(), sql).Scan(&name); err != nil {
			t.Fatal(err)
		}
		if got := count(name); got != 1 || name == "public" {
			t.Errorf("%d schemas called %q during the test", got, name)
		}
	})
	if got := count(name); got != 0 {
		t.Errorf("%d schemas called %q after the test", got, name)
	}
}

func TestSchemaRunsScripts(t *testing.T) {
	conn := connect(t, Schema(t, DatabaseURL(t), "create table things (n int)", "insert into things values (1)"))
	var n int
	if err := conn.QueryRow(t.Context(), "select n from things").Scan(&n); err != nil || n != 1 {
		t.Errorf("the script's table holds %d, %v, want 1", n, err)
	}
	r := record(t, func(r *recorder) { Schema(r, DatabaseURL(t), "create table things (n int)", "nonsense") })
	if !r.failed {
		t.Error("a script with an error in it does not fail the test")
	}
	// Neither is in the way of the next.
	Schema(t, DatabaseURL(t), "create table things (n int)")
}

func TestSchemaReplacesALostConnection(t *testing.T) {
	databaseURL := DatabaseURL(t)
	Schema(t, databaseURL)
	schemas.close()
	Schema(t, databaseURL)
	other := withParameter(t, databaseURL, "application_name", "other")
	var name string
	conn := connect(t, Schema(t, other))
	if err := conn.QueryRow(t.Context(), "show application_name").Scan(&name); err != nil || name != "other" {
		t.Errorf("application_name = %q, %v, want that of the URL", name, err)
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"2.sql": "second;", "1.sql": "-- +goose Up\nfirst;\n-- +goose Down\nundo;", "other.txt": "text",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := Script(t, filepath.Join(folder, "*.sql")), "-- +goose Up\nfirst;\n\nsecond;\n"; got != want {
		t.Errorf("Script = %q, want %q", got, want)
	}
	if r := record(t, func(r *recorder) { Script(r, filepath.Join(folder, "none.*")) }); !r.failed {
		t.Error("a script that is missing does not fail the test")
	}
}

func TestWithParameter(t *testing.T) {
	t.Parallel()
	got := withParameter(t, "postgres://u:p@h:1/d?sslmode=disable", "search_path", "s")
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"sslmode": {"disable"}, "search_path": {"s"}}
	if diff := cmp.Diff(want, u.Query()); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if got := withParameter(t, "host=h dbname=d", "search_path", "s"); got != "host=h dbname=d search_path=s" {
		t.Errorf("withParameter = %q", got)
	}
}

// A recorder takes the calls with which helpers end a test.
type recorder struct {
	testing.TB
	skipped, failed bool
	text            string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Skip(a ...any)             { r.skipped = true; r.end(fmt.Sprint(a...)) }
func (r *recorder) Fatal(a ...any)            { r.failed = true; r.end(fmt.Sprint(a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.failed = true; r.end(fmt.Sprintf(f, a...)) }

func (r *recorder) end(text string) {
	r.text = text
	panic(r)
}

// record calls a helper until it returns or ends the test.
func record(t *testing.T, helper func(*recorder)) (r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() {
		if ended := recover(); ended != nil && ended != any(r) {
			panic(ended)
		}
	}()
	helper(r)
	return r
}

func TestMissingServer(t *testing.T) {
	missing := fmt.Errorf("start: %w", &server.MissingError{Binary: "redis-server"})
	for _, test := range []struct {
		name, ci        string
		err             error
		skipped, failed bool
	}{
		{"no error", "", nil, false, false},
		{"a missing binary skips", "", missing, true, false},
		{"a missing binary fails under CI", "true", missing, false, true},
		{"any other error fails", "", errors.New("broken"), false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CI", test.ci)
			r := record(t, func(r *recorder) { started(r, test.err) })
			if r.skipped != test.skipped || r.failed != test.failed {
				t.Errorf("skipped %t, failed %t, want %t, %t", r.skipped, r.failed, test.skipped, test.failed)
			}
			if test.err != nil && r.text != test.err.Error() {
				t.Errorf("says %q, want %q", r.text, test.err)
			}
		})
	}
}

func TestEventually(t *testing.T) {
	t.Parallel()
	calls := 0
	Eventually(t, time.Minute, func() bool { calls++; return calls == 3 }, "three calls")
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}

	r := record(t, func(r *recorder) {
		Eventually(r, time.Millisecond, func() bool { return false }, "the impossible")
	})
	if want := "waited 1ms for the impossible"; r.text != want {
		t.Errorf("says %q, want %q", r.text, want)
	}
}

// leakVariable makes this binary, run again, leave a goroutine behind.
const leakVariable = "SERVERTEST_LEAK"

func TestMainStopsServersAndFindsLeaks(t *testing.T) {
	t.Parallel()
	Redis(t).Stop() // skips where there is none
	for _, leak := range []string{"", "yes"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestLeak$", "-test.v")
		cmd.Env = append(os.Environ(), leakVariable+"="+leak, "REDIS_URL=")
		out, err := cmd.CombinedOutput()
		if failed := err != nil; failed != (leak != "") {
			t.Errorf("leak %q: %v\n%s", leak, err, out)
		}
		if leak == "" {
			continue
		}
		_, rest, _ := strings.Cut(string(out), "address=")
		addr, _, _ := strings.Cut(rest, "\n")
		if conn, err := net.Dial("tcp4", addr); err == nil {
			conn.Close()
			t.Errorf("the shared server at %q still runs", addr)
		}
		if !strings.Contains(string(out), "TestLeak") {
			t.Errorf("the leak is not named:\n%s", out)
		}
	}
}

func TestLeak(t *testing.T) {
	if os.Getenv(leakVariable) == "" {
		return
	}
	u, err := url.Parse(RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("address=" + u.Host)
	go func() { <-context.Background().Done() }()
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
