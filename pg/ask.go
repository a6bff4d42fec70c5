package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

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
		row, err = ask(ctx, db, sql, args, func(rows pgx.Rows) (T, error) { return pgx.CollectOneRow(rows, scan) })
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
	return ask(ctx, db, sql, args, func(rows pgx.Rows) ([]T, error) { return pgx.CollectRows(rows, scan) })
}

// ask sends a statement and collects its rows, in the time that db gives it.
func ask[T any](ctx context.Context, db *DB, sql string, args []any, collect func(pgx.Rows) (T, error)) (v T, err error) {
	limited, cancel := db.limit(ctx)
	defer cancel()
	conn, err := db.pool.Acquire(limited)
	if err != nil {
		return v, unsentError{late(limited, "connection", err)}
	}
	defer conn.Release()
	rows, _ := conn.Query(limited, sql, args...) // its error is that of the rows too
	v, err = collect(rows)
	dropReadOnly(limited, conn, err)
	return v, late(limited, "answer", err)
}

// An unsentError is why there was no connection.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// Is makes it an [ErrNotSent], if it is more than the end of a caller.
func (e unsentError) Is(target error) bool { return target == ErrNotSent && unavailable(e.error) }

// dropReadOnly keeps a connection that took no change from going back to the
// pool. It may lead to a server that was demoted, while a new one would lead to
// its successor.
func dropReadOnly(ctx context.Context, conn *pgxpool.Conn, err error) {
	if isCode(err, readOnly) {
		_ = conn.Conn().Close(ctx) // it is of no use either way
	}
}

// A lateError says what did not come in time. It is none of the errors of a
// context: those are about the caller's.
type lateError struct {
	after time.Duration
	what  string
}

func (e *lateError) Error() string { return fmt.Sprintf("pg: no %s in %v", e.what, e.after) }

// limit returns a context for one statement.
func (db *DB) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, db.timeout, &lateError{after: db.timeout})
}

// late returns err, or, if it is about the end of a context of limit and not
// of its caller's, what did not come before that.
func late(limited context.Context, what string, err error) error {
	timeout, ok := errors.AsType[*lateError](context.Cause(limited))
	if ok && errors.Is(err, context.DeadlineExceeded) {
		return &lateError{after: timeout.after, what: what}
	}
	return err
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
