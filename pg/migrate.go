package pg

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable keeps which migrations a schema has had. The name leaves
// goose's own to whoever else migrates this database with it.
const versionTable = "leadcache_schema_version"

// migrationLock is the first half of the advisory lock of those who migrate;
// the second is the schema. The number is arbitrary.
const migrationLock = 0x1eadcac

// Migrate brings the current schema, the first in search_path that exists, to
// the version this package needs. It may be called on every start and by
// several nodes at once: one migrates, the others wait until that one is done
// or their context ends.
//
// Rows of an existing database stay, see the package comment. Two leads of one
// organization with one phone number cannot, nor two messages of one lead with
// one external_id: then Migrate stops, and its error says how many there are
// and which statement lists them. Tables in use are locked while columns and
// indexes are added.
func (db *DB) Migrate(ctx context.Context) error {
	if db.closed.Load() {
		return db.wrap("migrate", ErrClosed, nil)
	}
	if err := db.migrate(ctx); err != nil {
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == own {
			return errors.New("pg: migrate: " + pgErr.Message)
		}
		return db.wrap("migrate", nil, err)
	}
	return nil
}

func (db *DB) migrate(ctx context.Context) error {
	cfg := db.pool.Config().ConnConfig
	cfg.Tracer = nil
	// One connection for the lock and one for goose, whose own lock leaves out
	// the making of the version table.
	cfg.RuntimeParams["client_min_messages"] = "warning" // not "already exists, skipping"
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		text := n.Message
		if n.Code != own { // a trigger of another program may quote the row
			text = "the server gave a warning"
		}
		db.logger.Warn("pg: migrate: "+text, slog.String("sqlstate", n.Code))
	}
	pool := stdlib.OpenDB(*cfg)
	defer pool.Close()

	locked, err := lock(ctx, pool)
	if err != nil {
		return err
	}
	defer locked.Close()

	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, r := range results {
		db.logger.Info("pg: migrated", slog.String("migration", r.Source.Path), slog.Duration("took", r.Duration))
	}
	return nil
}

// lock waits for the lock of the current schema and returns the connection that
// holds it until it ends: a process that dies leaves no lock behind.
func lock(ctx context.Context, pool *sql.DB) (*sql.Conn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	_, err = conn.ExecContext(ctx, "SELECT pg_advisory_lock($1, hashtext(coalesce(current_schema(), '')))", migrationLock)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
