package pg_test

import (
	_ "embed" // of oldTables
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/servertest"
	"leadcache/pg"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const defaultOrg = "b0c1b1c1-0000-0000-0000-000000000001"

// open returns a DB on url.
func open(t testing.TB, url string) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Options{URL: url, MaxConns: 8, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// migrated returns a DB on url after Migrate.
func migrated(t testing.TB, url string) *pg.DB {
	t.Helper()
	db := open(t, url)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	return db
}

// schemas are the databases the statements must work with.
var schemas = map[string]func(testing.TB) (db *pg.DB, url string){"text ids": textIDs, "uuid ids": uuidIDs}

// textIDs returns a database as this package makes it.
func textIDs(t testing.TB) (db *pg.DB, url string) {
	t.Helper()
	url = servertest.Schema(t, servertest.DatabaseURL(t), newTables(t))
	return open(t, url), url
}

// uuidIDs returns a database that the old service made, far from Greenwich.
func uuidIDs(t testing.TB) (db *pg.DB, url string) {
	t.Helper()
	url = with(t, servertest.Schema(t, servertest.DatabaseURL(t), oldTables, newTables(t)), "timezone", "America/Vancouver")
	return open(t, url), url
}

// newTables returns what Migrate does, for tests that are not about Migrate,
// which is slower.
func newTables(t testing.TB) string {
	t.Helper()
	return servertest.Script(t, "migrations/*.sql")
}

// with returns a database's URL with one more setting.
func with(t testing.TB, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse") // err would show its password
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // pgx does not read a + as a space
	return u.String()
}

// exec runs statements past the DB under test.
func exec(t testing.TB, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the first column of the first row.
func query[T any](t testing.TB, url, sql string, args ...any) (v T) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// waiting returns how many connections wait for one.
func waiting(t testing.TB, url string, holder *pgx.Conn) int {
	t.Helper()
	return query[int](t, url, `SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, holder.PgConn().PID())
}

// oldTables is a database as the old service made it.
//
//go:embed testdata/old_tables.sql
var oldTables string
