package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// briefly is a timeout that a server in working order keeps.
const briefly = 500 * time.Millisecond

// soon bounds waits for other processes, far above what they take.
const soon = 20 * time.Second

// openFor returns a DB of so many connections that waits for so long.
func openFor(t testing.TB, databaseURL string, conns int32, timeout time.Duration) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Options{
		URL: databaseURL, MaxConns: conns, Timeout: timeout, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// proxied returns a proxy in front of the database, and the URL that leads
// through it.
func proxied(t testing.TB, databaseURL string) (*proxy.Proxy, string) {
	t.Helper()
	p, through, err := proxy.InFront(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, through
}

// asRole returns the database's URL for a new role without privileges of its
// own, and the role's name.
func asRole(t testing.TB, databaseURL, sql string) (roleURL, name string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse") // err would show its password
	}
	schema := u.Query().Get("search_path")
	name = "role_" + schema
	exec(t, databaseURL, `CREATE ROLE `+name+` LOGIN PASSWORD 's3cret';
		GRANT USAGE ON SCHEMA `+schema+` TO `+name+`;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+schema+` TO `+name+`;
		`+strings.ReplaceAll(sql, "ROLE x", "ROLE "+name))
	t.Cleanup(func() { forget(t, databaseURL, name) })
	u.User = url.UserPassword(name, "s3cret")
	return u.String(), name
}

func forget(t testing.TB, databaseURL, role string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role); err != nil {
		t.Errorf("the role is left behind: %v", err)
	}
}

// wantUnavailable fails unless err says that the database is not available, and
// why, without what must not be read.
func wantUnavailable(t testing.TB, err error, why string) {
	t.Helper()
	if !errors.Is(err, pg.ErrUnavailable) || errors.Is(err, tiered.ErrNotFound) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v, want ErrUnavailable and no other", err)
		return
	}
	if text := err.Error(); !strings.Contains(text, why) || strings.Contains(text, "s3cret") || strings.Contains(text, "778") {
		t.Errorf("%q, want %q, no password and no number", text, why)
	}
}

// change tries to make a lead.
func change(t testing.TB, db *pg.DB) error {
	t.Helper()
	_, _, err := db.CreateLead(t.Context(), defaultOrg, "+17786528784", "17786528784")
	return err
}

// A database that cannot be used says so in one way, whatever is wrong.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	_, databaseURL := textIDs(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse")
	}
	tooMany, _ := asRole(t, databaseURL, `ALTER ROLE x CONNECTION LIMIT 0`)
	for name, test := range map[string]struct {
		url func(url.URL) string
		why string
	}{
		"nobody listens": {func(u url.URL) string { u.Host = "127.0.0.1:1"; return u.String() }, "127.0.0.1:1"},
		"wrong password": {
			func(u url.URL) string { u.User = url.UserPassword("postgres", "s3cret"); return u.String() },
			"authentication failed",
		},
		"no such database":     {func(u url.URL) string { u.Path = "/nowhere"; return u.String() }, `"nowhere" does not exist`},
		"too many connections": {func(url.URL) string { return tooMany }, "too many connections"},
		"takes no changes": {
			func(u url.URL) string { return with(t, u.String(), "default_transaction_read_only", "on") }, "read-only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantUnavailable(t, change(t, openFor(t, test.url(*u), 2, soon)), test.why)
		})
	}
}

// A statement that the database does not answer is given up, with and without a
// connection.
func TestTimeout(t *testing.T) {
	t.Parallel()
	_, databaseURL := textIDs(t)
	p, through := proxied(t, databaseURL)
	db := openFor(t, through, 2, briefly)
	servertest.Eventually(t, soon, func() bool { return db.Ping(t.Context()) == nil }, "the database")
	p.Freeze(proxy.Both)
	var callers sync.WaitGroup
	for range 10 { // of which two have a connection
		callers.Go(func() {
			started := time.Now()
			wantUnavailable(t, change(t, db), "no ")
			if took := time.Since(started); took > soon {
				t.Errorf("a caller waited %v, want about %v", took, briefly)
			}
		})
	}
	callers.Wait()
	wantUnavailable(t, db.Ping(t.Context()), "in 500ms")
	wantUnavailable(t, change(t, db), "no connection in 500ms")
	p.Thaw(proxy.Both)
	servertest.Eventually(t, soon, func() bool { return change(t, db) == nil }, "the database to be used again")
}

// A caller's own end is no news of the database.
func TestCallersEndIsNoOutage(t *testing.T) {
	t.Parallel()
	_, databaseURL := textIDs(t)
	p, through := proxied(t, databaseURL)
	db := openFor(t, through, 2, soon)
	servertest.Eventually(t, soon, func() bool { return db.Ping(t.Context()) == nil }, "the database")
	p.Freeze(proxy.Both)
	for range 3 { // the third has no connection
		ctx, cancel := context.WithTimeout(t.Context(), briefly/10)
		defer cancel()
		if _, err := db.Lead(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, pg.ErrUnavailable) {
			t.Errorf("Lead: %v, want the caller's deadline", err)
		}
	}
	p.Thaw(proxy.Both)
}

// What ends a statement halfway is an outage too.
func TestConnectionLostHalfway(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose func(testing.TB, *pgx.Conn, *proxy.Proxy)
		why  string
	}{
		"cut":      {func(_ testing.TB, _ *pgx.Conn, p *proxy.Proxy) { p.Cut() }, "reset"},
		"closed":   {endWaiting(`pg_terminate_backend`), "administrator"},
		"canceled": {endWaiting(`pg_cancel_backend`), "canceling statement"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, databaseURL := textIDs(t)
			p, through := proxied(t, databaseURL)
			db := openFor(t, through, 2, soon)
			holder := connect(t, databaseURL)
			begin(t, holder, `LOCK TABLE leads`)
			done := make(chan error, 1)
			go func() { done <- change(t, db) }()
			servertest.Eventually(t, soon, func() bool { return waiting(t, databaseURL, holder) == 1 }, "the statement to wait")
			test.lose(t, connect(t, databaseURL), p)
			wantUnavailable(t, <-done, test.why)
			if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
				t.Fatal(err)
			}
			if err := change(t, db); err != nil {
				t.Errorf("with a new connection: %v", err)
			}
		})
	}
}

// endWaiting calls a function of the server with all that wait for a lock in
// the schema of the test.
func endWaiting(function string) func(testing.TB, *pgx.Conn, *proxy.Proxy) {
	return func(t testing.TB, conn *pgx.Conn, _ *proxy.Proxy) {
		t.Helper()
		_, err := conn.Exec(t.Context(), `SELECT `+function+`(pid) FROM pg_locks WHERE NOT granted AND relation = 'leads'::regclass`)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func begin(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), `BEGIN; `+sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// A connection that takes no changes leads to a server that was demoted, and
// would go on to.
func TestReadOnlyConnectionIsDropped(t *testing.T) {
	t.Parallel()
	_, databaseURL := textIDs(t)
	roleURL, role := asRole(t, databaseURL, `ALTER ROLE x SET default_transaction_read_only = on`)
	db := openFor(t, roleURL, 1, soon)
	wantUnavailable(t, change(t, db), "read-only")
	exec(t, databaseURL, `ALTER ROLE `+role+` SET default_transaction_read_only = off`)
	if err := change(t, db); err != nil {
		t.Errorf("after the server takes changes again: %v", err)
	}
}

// Connections that fell silent while they were idle cost one caller a moment,
// and no call.
func TestIdleConnectionsFallSilent(t *testing.T) {
	t.Parallel()
	_, databaseURL := textIDs(t)
	dead, through := proxied(t, databaseURL)
	other, _ := proxied(t, databaseURL)
	u, err := url.Parse(through)
	if err != nil {
		t.Fatal("the database's URL does not parse")
	}
	u.Host += "," + other.Addr() // where a connection is sought if the first host refuses it
	db := openFor(t, u.String(), 2, 8*time.Second)
	idle(t, db, 2)
	dead.Refuse()
	dead.Freeze(proxy.Both)
	if _, err := db.LeadByPhone(t.Context(), defaultOrg, "17786528784"); !errors.Is(err, tiered.ErrNotFound) {
		t.Errorf("LeadByPhone: %v, want an answer over a new connection", err)
	}
}

// idle makes so many connections, and waits until they are old enough to be
// asked for a sign of life before they are used.
func idle(t testing.TB, db *pg.DB, conns int) {
	t.Helper()
	var callers sync.WaitGroup
	servertest.Eventually(t, soon, func() bool {
		for range 10 * conns {
			callers.Go(func() { _ = db.Ping(t.Context()) })
		}
		callers.Wait()
		return pg.IdleConns(db) == conns
	}, "the connections")
	unused := time.Now()
	servertest.Eventually(t, soon, func() bool { return time.Since(unused) > 1100*time.Millisecond }, "the connections to be idle")
}
