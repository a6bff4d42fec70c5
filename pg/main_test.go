package pg_test

import (
	"log/slog"
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
	url = servertest.Schema(t, servertest.DatabaseURL(t))
	return migrated(t, url), url
}

// uuidIDs returns a database that the old service made.
func uuidIDs(t testing.TB) (db *pg.DB, url string) {
	t.Helper()
	url = servertest.Schema(t, servertest.DatabaseURL(t))
	exec(t, url, oldTables)
	return migrated(t, url), url
}

// exec runs statements past the DB under test.
func exec(t testing.TB, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the first column of the first row.
func query[T any](t testing.TB, url, sql string, args ...any) (v T) {
	t.Helper()
	conn := connect(t, url)
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

// oldTables is a database as the old service made it: uuids, enums, columns
// that this package knows nothing of, time stamps without a zone, references
// that nobody checks.
const oldTables = `
	CREATE TYPE lead_status AS ENUM ('new', 'contacted', 'qualified', 'hot', 'customer', 'closed');
	CREATE TABLE organizations (
		id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		name varchar(200) NOT NULL,
		slug text,
		phone_number varchar(32),
		settings jsonb,
		created_at timestamp DEFAULT now(),
		updated_at timestamp DEFAULT now()
	);
	CREATE TABLE leads (
		id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		organization_id uuid,
		phone_number varchar(32) NOT NULL,
		customer_name varchar(200),
		email text,
		status lead_status DEFAULT 'new',
		sentiment text,
		bike_interest json,
		assigned_to uuid,
		created_at timestamp DEFAULT now(),
		updated_at timestamp DEFAULT now()
	);
	CREATE TABLE conversations (
		id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		organization_id uuid NOT NULL,
		lead_id uuid NOT NULL REFERENCES leads (id),
		content text NOT NULL,
		sent_by varchar(20) NOT NULL,
		type varchar(20) NOT NULL,
		"timestamp" timestamptz DEFAULT now(),
		elevenlabs_id text
	);`
