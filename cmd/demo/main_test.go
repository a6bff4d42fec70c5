package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

// asDemo in the environment makes the test binary the demo itself.
const asDemo = "DEMO_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asDemo) != "" || len(os.Args) > 1 && os.Args[1] == nodeCommand {
		main()
		return
	}
	servertest.Main(m)
}

func TestRun(t *testing.T) {
	t.Run("every check holds on private servers", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "report.json")
		d := demo(t, nil, "-nodes", "2", "-duration", "5s", "-conversations", "40", "-report", file)
		d.mustHold(t)
		r := readReport(t, file)
		if r.Nodes != 2 || !r.RedisEnabled || r.ColdCall.Count == 0 || r.WarmCall.Count == 0 {
			t.Errorf("report = %+v, want 2 nodes with Redis, and calls cold and warm", r)
		}
		for _, e := range endpoints {
			if r.Endpoints[e].Count == 0 || r.Endpoints[e].Count != r.Requests.ByEndpoint[e] {
				t.Errorf("%s: %d requests, %d good answers, want as many, and some", e, r.Requests.ByEndpoint[e], r.Endpoints[e].Count)
			}
			if !strings.Contains(d.stdout.String(), "\n"+string(e)+" ") {
				t.Errorf("the table has no row for %q", e)
			}
		}
		if r.Total.LocalHits == 0 || r.Total.RedisHits == 0 || r.Total.Loads == 0 || r.UpdateVisible.Count == 0 {
			t.Errorf("report = %+v, want hits in every tier, and updates seen", r)
		}
		if r.Queries.PerRequest >= r.Queries.UncachedPerRequest {
			t.Errorf("%.2f queries a request, %.2f without cache, want fewer", r.Queries.PerRequest, r.Queries.UncachedPerRequest)
		}
	})

	t.Run("every check holds without Redis", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "report.json")
		// REDIS_URL leads nowhere: nobody may go there.
		env := map[string]string{
			"REDIS_ENABLED": "false", "REDIS_URL": "redis://127.0.0.1:1", "DATABASE_URL": servertest.DatabaseURL(t),
		}
		d := demo(t, env, "-nodes", "2", "-duration", "2s", "-conversations", "20", "-report", file)
		d.mustHold(t)
		if !strings.Contains(d.stdout.String(), "Redis is off") {
			t.Error("the table does not say that Redis is off")
		}
		if r := readReport(t, file); r.RedisEnabled || r.Total.LocalHits != 0 || r.Total.RedisHits != 0 || r.Total.Loads == 0 {
			t.Errorf("report = %+v, want loads alone", r)
		}
	})

	t.Run("given servers are left as they were, and their passwords unsaid", func(t *testing.T) {
		const password = "unspeakable"
		redis := servertest.Redis(t, "--requirepass", password)
		databaseURL := servertest.DatabaseURL(t)
		env := map[string]string{"REDIS_URL": redis.URL(), "DATABASE_URL": databaseURL}
		d := demo(t, env, "-nodes", "1", "-duration", "3s", "-conversations", "20")
		d.mustHold(t)
		mustBeClean(t, d.stdout.String(), redis, databaseURL)
		c, err := pgx.ParseConfig(databaseURL)
		if err != nil {
			t.Fatal("the test database's URL does not parse")
		}
		said := d.stdout.String() + d.stderr.String()
		if strings.Contains(said, password) || c.Password != "" && strings.Contains(said, c.Password) {
			t.Error("the output holds a password")
		}
	})

	t.Run("an interrupted run cleans up", func(t *testing.T) {
		redis := servertest.Redis(t)
		databaseURL := servertest.DatabaseURL(t)
		env := map[string]string{"REDIS_URL": redis.URL(), "DATABASE_URL": databaseURL}
		d := begin(t, env, "-nodes", "2", "-duration", "10m", "-conversations", "20")
		awaitTraffic(t, redis)
		d.cancel()
		<-d.ended
		if !errors.Is(d.err, errInterrupted) || exitStatus(d.err, io.Discard) != 130 {
			t.Errorf("run = %v, want errInterrupted and status 130", d.err)
		}
		if !strings.Contains(d.stdout.String(), "stopped in order") {
			t.Errorf("output %q, want a word on the stop", d.stdout.String())
		}
		mustBeClean(t, d.stdout.String(), redis, databaseURL)
		if left := nodesOf(t, os.Getpid()); len(left) > 0 {
			t.Errorf("node processes left: %v", left)
		}
	})

	t.Run("the death of a node ends the run", func(t *testing.T) {
		redis := servertest.Redis(t)
		databaseURL := servertest.DatabaseURL(t)
		env := map[string]string{"REDIS_URL": redis.URL(), "DATABASE_URL": databaseURL}
		d := begin(t, env, "-nodes", "2", "-duration", "10m", "-conversations", "20")
		awaitTraffic(t, redis)
		nodes := nodesOf(t, os.Getpid())
		if len(nodes) != 2 {
			t.Fatalf("nodes %v, want two", nodes)
		}
		if err := syscall.Kill(nodes[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-d.ended
		if d.err == nil || !strings.Contains(d.err.Error(), "ended: signal: killed") || exitStatus(d.err, io.Discard) != 1 {
			t.Errorf("run = %v, want an error that names the node, and status 1", d.err)
		}
		mustBeClean(t, d.stdout.String(), redis, databaseURL)
	})

	t.Run("a change that nobody announces is found out", func(t *testing.T) {
		redis := servertest.Redis(t)
		databaseURL := servertest.DatabaseURL(t)
		env := map[string]string{"REDIS_URL": redis.URL(), "DATABASE_URL": databaseURL}
		var d *demoRun
		// A busy machine takes some conversations to cache anything, and some time: a
		// change that comes when the nodes are being checked is none that they cached.
		for duration := 12 * time.Second; ; duration *= 2 {
			began := time.Now()
			d = begin(t, env, "-nodes", "2", "-duration", duration.String(), "-conversations", "60")
			awaitTraffic(t, redis)
			changeEmails(t, redis, databaseURL)
			if time.Since(began) < duration {
				break
			}
			d.cancel()
			<-d.ended
			if duration > time.Minute {
				t.Fatalf("after %v there were not enough leads in the cache", duration)
			}
		}
		<-d.ended
		if d.err == nil || !strings.Contains(d.err.Error(), "answers equal to the database") || exitStatus(d.err, io.Discard) != 1 {
			t.Errorf("run = %v, want the failed check and status 1", d.err)
		}
		if out := d.stdout.String(); !strings.Contains(out, "FAILED  answers equal") || !strings.Contains(out, "lead.email") {
			t.Errorf("output %q, want the failed check and the field", out)
		}
	})

	t.Run("a Redis that does not answer is named", func(t *testing.T) {
		d := demo(t, map[string]string{"REDIS_URL": "redis://:unspeakable@127.0.0.1:1", "DATABASE_URL": servertest.DatabaseURL(t)})
		if d.err == nil || !strings.Contains(d.err.Error(), "REDIS_URL") || strings.Contains(d.err.Error(), "unspeakable") {
			t.Errorf("run = %v, want an error that names REDIS_URL without its password", d.err)
		}
	})

	t.Run("a database that does not answer is named", func(t *testing.T) {
		d := demo(t, map[string]string{"REDIS_ENABLED": "false", "DATABASE_URL": "postgres://me:unspeakable@127.0.0.1:1/db"})
		if d.err == nil || !strings.Contains(d.err.Error(), "DATABASE_URL") || strings.Contains(d.err.Error(), "unspeakable") {
			t.Errorf("run = %v, want an error that names DATABASE_URL without its password", d.err)
		}
	})

	t.Run("help is no failure", func(t *testing.T) {
		d := demo(t, nil, "-h")
		if d.err != nil || !strings.Contains(d.stdout.String(), "-conversations") {
			t.Errorf("run -h = %v with output %q, want the usage", d.err, d.stdout.String())
		}
	})
}

// A demoRun is a run of the demo in this process.
type demoRun struct {
	cancel context.CancelFunc
	ended  chan struct{}

	stdout, stderr bytes.Buffer // read once ended is closed, as is err
	err            error
}

// begin starts a run with env and nothing else in its environment.
func begin(t *testing.T, env map[string]string, args ...string) *demoRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &demoRun{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		d.err = run(ctx, args, environment(env), &d.stdout, &d.stderr)
	}()
	t.Cleanup(func() { cancel(); <-d.ended })
	return d
}

// demo is begin, and waits for the end.
func demo(t *testing.T, env map[string]string, args ...string) *demoRun {
	t.Helper()
	d := begin(t, env, args...)
	<-d.ended
	if _, missing := errors.AsType[*server.MissingError](d.err); missing && os.Getenv("CI") == "" {
		t.Skip(d.err)
	}
	return d
}

// countLeadsInRedis counts the keys that hold a lead. Those of leads that are being made
// do not: they hold a lease, or that there is none.
const countLeadsInRedis = `
local n = 0
for _, key in ipairs(redis.call('KEYS', 'demo:*')) do
	if redis.call('TYPE', key).ok == 'string' and redis.call('GET', key):find('"phone_number_normalized"', 1, true) then
		n = n + 1
	end
end
return n`

// changeEmails changes the leads of the latest demo, once many are in the cache, and
// tells nobody. (Until the end the updater renames, and so invalidates, a few of them at
// most.)
func changeEmails(t *testing.T, redis *server.Redis, databaseURL string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var leads string
	err = conn.QueryRow(t.Context(), `SELECT format('%I.leads', nspname) FROM pg_namespace
		WHERE nspname LIKE 'demo\_%' ORDER BY oid DESC LIMIT 1`).Scan(&leads)
	if err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, time.Minute, func() bool {
		out, err := redis.CLI("EVAL", countLeadsInRedis, "0")
		n, numberErr := strconv.Atoi(strings.TrimSpace(out))
		return err == nil && numberErr == nil && n >= 30
	}, "leads in the cache")
	if _, err := conn.Exec(t.Context(), "UPDATE "+leads+" SET email = 'unannounced@example.com'"); err != nil {
		t.Error(err)
	}
}

// awaitTraffic returns when nodes have filled a Redis of their own.
func awaitTraffic(t *testing.T, redis *server.Redis) {
	t.Helper()
	servertest.Eventually(t, time.Minute, func() bool {
		out, err := redis.CLI("DBSIZE")
		keys, numberErr := strconv.Atoi(strings.TrimSpace(out))
		return err == nil && numberErr == nil && keys > 10 // a node keeps some of its own before it serves
	}, "keys of the traffic")
}

func environment(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func (d *demoRun) mustHold(t *testing.T) {
	t.Helper()
	if d.err != nil {
		t.Fatalf("run = %v, want nil; output:\n%s\n%s", d.err, d.stdout.String(), d.stderr.String())
	}
}

func readReport(t *testing.T, file string) report {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("report: %v", err)
	}
	if len(r.Checks) != 7 || slices.ContainsFunc(r.Checks, func(c check) bool { return !c.OK }) {
		t.Errorf("checks = %+v, want seven that hold", r.Checks)
	}
	return r
}

var schemaIn = regexp.MustCompile(`(?m)^Postgres .* schema (demo_[0-9a-f]+)`)

// mustBeClean fails the test if the run with that output left keys or its
// schema.
func mustBeClean(t *testing.T, output string, redis *server.Redis, databaseURL string) {
	t.Helper()
	schema := schemaIn.FindStringSubmatch(output)
	if schema == nil {
		t.Fatalf("output %q does not name the schema", output)
	}
	keys, err := redis.CLI("KEYS", "*")
	if err != nil || keys != "" {
		t.Errorf("keys left: %q (%v)", keys, err)
	}
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var schemas int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = $1`, schema[1]).Scan(&schemas)
	if err != nil || schemas != 0 {
		t.Errorf("schema %s is still there (%v)", schema[1], err)
	}
}
