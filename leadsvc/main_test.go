package leadsvc_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const (
	defaultOrg = "b0c1b1c1-0000-0000-0000-000000000001"
	otherOrg   = "b0c1b1c1-0000-0000-0000-000000000002"
	noOrg      = "b0c1b1c1-0000-0000-0000-00000000dead"
	phone      = "+17786528784"
	digits     = "17786528784"
)

// soon bounds waits for other nodes. It is far below every TTL but those that
// a test sets.
const soon = 5 * time.Second

// A fleet is a database and a Redis of its own, as far as keys go, and the
// nodes that share them.
type fleet struct {
	databaseURL string
	redisURL    string
	prefix      string
	redis       rueidis.Client // past the nodes
	sql         *pgx.Conn      // past the nodes

	watcher func() *pgx.Conn // connects when first called; sees what sql cannot while it holds a lock

	timeout time.Duration // of the nodes' statements; 0: longer than any lock is held
}

// fleets are on tables as this project makes them, and on those of the old
// service.
var fleets = map[string]func(testing.TB) *fleet{"text ids": newFleet, "uuid ids": newOldFleet}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	return fleetOn(t, servertest.Schema(t, servertest.DatabaseURL(t), newTables(t)))
}

// newOldFleet returns a fleet on a database that the old service made.
func newOldFleet(t testing.TB) *fleet {
	t.Helper()
	oldTables := servertest.Script(t, "../pg/testdata/old_tables.sql")
	return fleetOn(t, servertest.Schema(t, servertest.DatabaseURL(t), oldTables, newTables(t)))
}

// newTables returns what [pg.DB.Migrate] does, which is tested elsewhere and
// slower.
func newTables(t testing.TB) string {
	t.Helper()
	return servertest.Script(t, "../pg/migrations/*.sql")
}

// fleetOn returns a fleet on a database that has its tables, or will have them.
func fleetOn(t testing.TB, databaseURL string) *fleet {
	t.Helper()
	f := &fleet{redisURL: servertest.RedisURL(t), databaseURL: databaseURL}
	f.prefix = servertest.Prefix(t, f.redisURL)
	f.sql = connect(t, databaseURL)
	f.watcher = sync.OnceValue(func() *pgx.Conn { return connect(t, databaseURL) })
	f.redis = dialRedis(t, f.redisURL)
	return f
}

func dialRedis(t testing.TB, redisURL string) rueidis.Client {
	t.Helper()
	client, err := servertest.NewClient(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func connect(t testing.TB, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (f *fleet) openDB(t testing.TB) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Options{
		URL: f.databaseURL, MaxConns: 8, Timeout: cmp.Or(f.timeout, 10*soon), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("pg.Open: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// A node is one service with a link to Redis and a pool of its own.
type node struct {
	*leadsvc.Service
	db   *pg.DB
	link *tiered.Redis
}

// node adds a node that is connected to Redis.
func (f *fleet) node(t testing.TB, cfg leadsvc.Config) *node {
	t.Helper()
	n := f.nodeWith(t, tiered.RedisOptions{URL: f.redisURL, Prefix: f.prefix, Timeout: 5 * time.Second}, cfg)
	servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
	return n
}

func (f *fleet) nodeWith(t testing.TB, o tiered.RedisOptions, cfg leadsvc.Config) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	if o.Logger == nil {
		o.Logger = quiet
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	link, err := tiered.Dial(o)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { link.Close() })
	n := &node{db: f.openDB(t), link: link}
	if n.Service, err = leadsvc.New(link, n.db, cfg); err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// exec runs a statement past the nodes.
func (f *fleet) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := f.sql.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// lockLeads keeps everyone from changing leads until unlock is called. Reading
// goes on.
func (f *fleet) lockLeads(t testing.TB) (unlock func()) {
	t.Helper()
	tx, err := f.sql.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE leads IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// blocked returns how many statements of nodes wait for what lockLeads holds.
func (f *fleet) blocked(t testing.TB) (n int) {
	t.Helper()
	const sql = `SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`
	if err := f.watcher().QueryRow(t.Context(), sql, f.sql.PgConn().PID()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// abandon calls do with a context that ends as soon as a statement of do waits
// for lockLeads, and fails unless do says so.
func (f *fleet) abandon(t testing.TB, do func(context.Context) error) {
	t.Helper()
	waiting := f.blocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) > waiting }, "the write to reach the database")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("a caller who left: %v, want context.Canceled", err)
	}
}

// rows returns how many leads there are.
func (f *fleet) rows(t testing.TB) (n int) {
	t.Helper()
	if err := f.sql.QueryRow(t.Context(), `SELECT count(*) FROM leads`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// keys returns the keys of this fleet in Redis, without the prefix and without
// those that are the own of package tiered.
func (f *fleet) keys(t testing.TB) []string {
	t.Helper()
	keys, err := f.redis.Do(t.Context(), f.redis.B().Keys().Pattern(f.prefix+"*").Build()).AsStrSlice()
	if err != nil {
		t.Fatalf("KEYS: %v", err)
	}
	for i := range keys {
		keys[i] = strings.TrimPrefix(keys[i], f.prefix)
	}
	return slices.DeleteFunc(keys, func(key string) bool { return strings.Contains(key, "tiered:") })
}

// wantKeys fails unless Redis holds exactly these keys.
func (f *fleet) wantKeys(t testing.TB, want ...string) {
	t.Helper()
	got := f.keys(t)
	if len(got) != len(want) {
		t.Errorf("Redis holds %q, want %q", got, want)
		return
	}
	for _, key := range want {
		if !slices.Contains(got, key) {
			t.Errorf("Redis holds %q, want %q", got, want)
		}
	}
}

// wantTTL fails unless what is left of a key's time is 85 to 100 % of ttl:
// jitter takes 10, and this test some.
func (f *fleet) wantTTL(t testing.TB, key string, ttl time.Duration) {
	t.Helper()
	if left := f.ttl(t, key); left > ttl || left < ttl*85/100 {
		t.Errorf("the TTL of %s is %v, want up to %v", key, left, ttl)
	}
}

// ttl returns what is left of a key's time.
func (f *fleet) ttl(t testing.TB, key string) time.Duration {
	t.Helper()
	ms, err := f.redis.Do(t.Context(), f.redis.B().Pttl().Key(f.prefix+key).Build()).AsInt64()
	if err != nil {
		t.Fatalf("PTTL: %v", err)
	}
	return time.Duration(ms) * time.Millisecond
}
