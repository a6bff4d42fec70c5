package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options tell [Open] where the database is. The zero value of each field but
// URL means the default that its comment names.
type Options struct {
	// URL is a Postgres connection string, as a URL or as key=value pairs. It
	// may carry the settings of pgx, such as pool_max_conns or
	// default_query_exec_mode. Required.
	URL string

	// MaxConns bounds the number of connections. Default: pool_max_conns of
	// the URL, or else 4 or the number of processors, whichever is greater.
	MaxConns int32

	// Timeout bounds each statement: the wait for a connection, and then for
	// the answer. What takes longer is [ErrUnavailable]. [DB.Migrate] is not
	// bounded. Default 3 seconds, which a phone call can still take.
	Timeout time.Duration

	// Logger is told which migrations were applied, and of warnings that the
	// server gave meanwhile. Default [slog.Default].
	Logger *slog.Logger
}

const (
	defaultTimeout = 3 * time.Second

	// connectTimeout bounds the making of one connection where the URL has no
	// connect_timeout. It outlasts a busy server's authentication, and callers:
	// a connection that comes too late for one serves the next. With pgx's own
	// two minutes a server that fell silent would fill the pool.
	connectTimeout = 5 * time.Second
)

// DB is a pool of connections and the statements of the lead service. Its
// methods may be called from several goroutines. Each but Migrate sends one
// statement, and more only after a race with another writer or to find out
// what was refused; each gives up when its context ends.
type DB struct {
	pool    *pgxpool.Pool
	logger  *slog.Logger
	conns   int
	timeout time.Duration
	queries queryCounter
	closed  atomic.Bool
}

// Validate returns the error that [Open] would return for o. It makes no
// connection, and never repeats any part of the URL.
func (o Options) Validate() error {
	_, err := o.resolve()
	return err
}

func (o Options) timeout() time.Duration { return cmp.Or(o.Timeout, defaultTimeout) }

func (o Options) resolve() (*pgxpool.Config, error) {
	if o.URL == "" {
		return nil, errors.New("pg: Options.URL is empty")
	}
	if o.MaxConns < 0 {
		return nil, fmt.Errorf("pg: Options.MaxConns is %d, want at least 1", o.MaxConns)
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("pg: Options.Timeout is %v, want more than 0", o.Timeout)
	}
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The parser's error quotes the URL and masks what it takes for the
		// password. In a URL that does not parse, that is a guess.
		return nil, errors.New("pg: Options.URL: want postgres://[user:password@]host[:port]/database[?setting=value]" +
			" or key=value pairs (special characters in a password are written %xx)")
	}
	if o.MaxConns > 0 {
		cfg.MaxConns = o.MaxConns
	}
	// Connections that fell silent while they were idle are found by a ping, and
	// there must be time left for a new one.
	patience := o.timeout() / 4
	cfg.PingTimeout = cmp.Or(cfg.PingTimeout, patience)
	cfg.BeforeClose = func(c *pgx.Conn) { closeSoon(c, patience) }
	conn := cfg.ConnConfig
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, connectTimeout)
	// A column without time zone, in a table of the old service, is in UTC.
	conn.RuntimeParams["timezone"] = "UTC"
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "leadcache"
	}
	return cfg, nil
}

// closeSoon ends a connection that was given up. pgx has the server cancel the
// statement and then waits for its last words, 15 seconds if it stays silent,
// and as long no other connection takes its place.
func closeSoon(c *pgx.Conn, patience time.Duration) {
	if c.IsClosed() {
		time.AfterFunc(patience, func() { _ = c.PgConn().Conn().Close() })
	}
}

// Open makes the pool but no connection: the server may be down, and each
// method connects when it has to. The error never repeats any part of the URL.
// The context is not kept.
func Open(ctx context.Context, o Options) (*DB, error) {
	cfg, err := o.resolve()
	if err != nil {
		return nil, err
	}
	db := &DB{logger: cmp.Or(o.Logger, slog.Default()), conns: int(cfg.MaxConns), timeout: o.timeout()}
	cfg.ConnConfig.Tracer = &db.queries
	db.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, db.fail("open", err)
	}
	return db, nil
}

// Ping asks the server for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	limited, cancel := db.limit(ctx)
	defer cancel()
	if err := db.pool.Ping(limited); err != nil {
		return db.fail("ping", late(limited, "answer", err))
	}
	return nil
}

// MaxConns returns how many connections there may be at once.
func (db *DB) MaxConns() int { return db.conns }

// Close waits for the statements in progress, but not for Migrate, and ends all
// connections. From then on no statement is sent: what needs one is
// [ErrClosed]. It may be called more than once.
func (db *DB) Close() {
	db.closed.Store(true)
	db.pool.Close()
}

// Queries returns how many statements this DB has sent since Open. Pings and
// migrations do not count.
func (db *DB) Queries() uint64 { return db.queries.n.Load() }

// queryCounter is a pgx.QueryTracer.
type queryCounter struct{ n atomic.Uint64 }

func (c *queryCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (*queryCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
