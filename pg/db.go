package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
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

	// Logger is told which migrations were applied, and of warnings that the
	// server gave meanwhile. Default [slog.Default].
	Logger *slog.Logger
}

// connectTimeout bounds the making of one connection where the URL has no
// connect_timeout. It outlasts a busy server's authentication; pgx's own two
// minutes would outlast every caller.
const connectTimeout = 5 * time.Second

// DB is a pool of connections and the statements of the lead service. Its
// methods may be called from several goroutines. Each but Migrate sends one
// statement, and more only after a race with another writer or to find out
// what was refused; each gives up when its context ends.
type DB struct {
	pool    *pgxpool.Pool
	logger  *slog.Logger
	conns   int
	queries queryCounter
	closed  atomic.Bool
}

// Validate returns the error that [Open] would return for o. It makes no
// connection, and never repeats any part of the URL.
func (o Options) Validate() error {
	_, err := o.resolve()
	return err
}

func (o Options) resolve() (*pgxpool.Config, error) {
	if o.URL == "" {
		return nil, errors.New("pg: Options.URL is empty")
	}
	if o.MaxConns < 0 {
		return nil, fmt.Errorf("pg: Options.MaxConns is %d, want at least 1", o.MaxConns)
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
	conn := cfg.ConnConfig
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, connectTimeout)
	// A column without time zone, in a table of the old service, is in UTC.
	conn.RuntimeParams["timezone"] = "UTC"
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "leadcache"
	}
	return cfg, nil
}

// Open makes the pool but no connection: the server may be down, and each
// method connects when it has to. The error never repeats any part of the URL.
// The context is not kept.
func Open(ctx context.Context, o Options) (*DB, error) {
	cfg, err := o.resolve()
	if err != nil {
		return nil, err
	}
	db := &DB{logger: cmp.Or(o.Logger, slog.Default()), conns: int(cfg.MaxConns)}
	cfg.ConnConfig.Tracer = &db.queries
	db.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, db.fail("open", err)
	}
	return db, nil
}

// Ping asks the server for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return db.fail("ping", err)
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

// maxRaces bounds how often a statement that lost a race to another writer is
// sent again. Once is rare; ten times means that something else is wrong, a
// trigger that swallows what is inserted for one.
const maxRaces = 10

// one returns the only row, or the first, of a query. No row is
// pgx.ErrNoRows, an argument that cannot be sent errText.
func one[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, args ...any) (row T, err error) {
	if !representable(args) {
		return row, errText
	}
	for range maxRaces {
		rows, _ := db.pool.Query(ctx, sql, args...) // its error is that of the rows too
		row, err = pgx.CollectOneRow(rows, scan)
		if !isCode(err, lostRace) {
			break
		}
	}
	return row, err
}

// many returns all rows of a query, and an empty slice, not nil, if there are
// none.
func many[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	if !representable(args) {
		return nil, errText
	}
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// representable says whether Postgres can take all texts among args.
func representable(args []any) bool {
	for _, arg := range args {
		var text string
		switch arg := arg.(type) {
		case string:
			text = arg
		case JSON:
			text = string(arg)
		case pgtype.Text:
			text = arg.String
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return true
}
