package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"leadcache/tiered"
)

var (
	// ErrClosed is returned by every method that has to ask the database,
	// after [DB.Close].
	ErrClosed = errors.New("pg: closed")

	// ErrUnavailable is returned when the database cannot be reached, does not
	// answer within [Options.Timeout], or says that it cannot work: that it
	// starts or stops, has no room for another connection or no space left,
	// takes no changes. What follows it in the text says which. A change may
	// have been made all the same.
	ErrUnavailable = errors.New("pg: the database is not available")

	// ErrNotSent is returned with ErrUnavailable when there was no connection to
	// send the statement over: nothing was changed.
	ErrNotSent = errors.New("pg: not sent")

	// ErrUnknownOrganization is returned when a lead is to belong to an
	// organization that does not exist.
	ErrUnknownOrganization = errors.New("pg: unknown organization")

	// ErrConflict is returned when a change would give a row a value that
	// another row has and that must be unique: the phone number of another
	// lead of that organization.
	ErrConflict = errors.New("pg: conflict with another row")

	// ErrInvalid is returned for a value that a column does not take: a status
	// that does not exist, malformed JSON, null where a value is required.
	ErrInvalid = errors.New("pg: invalid value")
)

// errVanishes is returned when a row is neither made nor found, again and again.
var errVanishes = errors.New("pg: the row is neither made nor found")

// errText is what is wrong with an argument that Postgres cannot represent. It
// is not sent: the simple protocol would end the statement at the NUL.
var errText = errors.New("pg: text with a NUL or with invalid UTF-8")

// opError is what a failed operation returns. Its text is made here, from the
// parts of the cause that cannot hold an argument.
type opError struct {
	op   string
	kind error // a sentinel, or nil
	err  error // the cause, or nil
}

func (e *opError) Error() string {
	text := "pg: " + e.op
	if e.kind != nil {
		text += ": " + strings.TrimPrefix(e.kind.Error(), "pg: ")
	}
	if e.err != nil {
		text += ": " + describe(e.err)
	}
	return text
}

func (e *opError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.err}
	}
	if e.err == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.err}
}

// fail wraps the error of a statement that only reads. An identifier that the
// database cannot even represent names no row.
func (db *DB) fail(op string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) || unfit(err) {
		return tiered.ErrNotFound
	}
	return db.wrap(op, nil, err)
}

// unfit says whether an argument was not even text, or no value of its type.
func unfit(err error) bool {
	return errors.Is(err, errText) || isCode(err, invalidText, notInRepertoire, untranslatable)
}

// failWrite wraps the error of a statement that changes rows. It tells apart
// what the database refused from what went wrong.
func (db *DB) failWrite(op string, err error) error {
	pgErr, ok := answer(err)
	switch {
	case errors.Is(err, errText):
		return db.wrap(op, ErrInvalid, err)
	case !ok:
		return db.wrap(op, nil, err)
	case pgErr.Code == uniqueViolation:
		return db.wrap(op, ErrConflict, err)
	case pgErr.Code == foreignKeyViolation:
		return db.wrap(op, ErrUnknownOrganization, err)
	case pgErr.Code == notNullViolation, pgErr.Code == checkViolation, class(pgErr.Code) == dataException:
		return db.wrap(op, ErrInvalid, err)
	default:
		return db.wrap(op, nil, err)
	}
}

func (db *DB) wrap(op string, kind, err error) error {
	switch {
	case db.closed.Load():
		kind, err = ErrClosed, nil
	case kind == nil && unavailable(err):
		kind = ErrUnavailable
	}
	return &opError{op: op, kind: kind, err: err}
}

// SQLSTATE codes and classes that mean something to this package.
const (
	notNullViolation    = "23502"
	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
	checkViolation      = "23514"
	notInRepertoire     = "22021"
	invalidText         = "22P02"
	untranslatable      = "22P05"
	readOnly            = "25006"
	lostRace            = "40001" // where the default is not READ COMMITTED
	own                 = "LC001" // what migrations/ raises; it quotes no row

	dataException = "22"
)

// unavailableClasses are the SQLSTATE classes by which a server says that it
// cannot work now: connection, resources, operator, system.
var unavailableClasses = []string{"08", "53", "57", "58"}

// unavailable says whether err is about the database and not about what it was
// asked.
func unavailable(err error) bool {
	if _, ok := errors.AsType[*lateError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return !errors.Is(err, context.Canceled)
	}
	if pgErr, ok := answer(err); ok {
		return pgErr.Code == readOnly || slices.Contains(unavailableClasses, class(pgErr.Code))
	}
	return broken(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// broken says whether err is about the connection.
func broken(err error) bool {
	_, isNet := errors.AsType[net.Error](err)
	_, isPgconn := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err)
	return isNet || isPgconn || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func class(code string) string { return code[:min(2, len(code))] }

func isCode(err error, codes ...string) bool {
	pgErr, ok := answer(err)
	return ok && slices.Contains(codes, pgErr.Code)
}

// answer returns what the server said of a statement. What it says of a
// connection, a setting of the URL for one, is about no argument.
func answer(err error) (*pgconn.PgError, bool) {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return nil, false
	}
	return errors.AsType[*pgconn.PgError](err)
}

// describe returns what may be said of err where others read it. A message of
// the server may quote an argument ("invalid input syntax for type uuid:
// …"), its detail quotes whole keys, and so may the errors of pgx on encoding
// and scanning. So the text of an error is used only where it is known to
// speak of the connection or of the statement, whose text has no arguments.
func describe(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return describeServer(pgErr)
	}
	var (
		scan    pgx.ScanArgError
		dial    *pgconn.ConnectError
		waiting *lateError
	)
	switch {
	case errors.Is(err, errText):
		return strings.TrimPrefix(errText.Error(), "pg: ")
	case errors.As(err, &waiting):
		return strings.TrimPrefix(waiting.Error(), "pg: ")
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	case errors.As(err, &scan):
		return fmt.Sprintf("column %d has an unexpected value or type", scan.ColumnIndex)
	case errors.As(err, &dial):
		return dial.Error()
	case broken(err):
		return err.Error()
	default:
		return fmt.Sprintf("%T", err)
	}
}

// describeServer gives the message of those classes whose messages name
// tables, roles and settings only, and the constraint or column for the rest.
func describeServer(e *pgconn.PgError) string {
	const speakable = " 08 0A 25 26 28 3D 3F 40 42 53 54 55 57 58 F0 XX "
	text := "SQLSTATE " + e.Code
	switch {
	case strings.Contains(speakable, " "+class(e.Code)+" "):
		text = e.Message + " (" + text + ")"
	case e.ConstraintName != "":
		text += ", constraint " + e.ConstraintName
	case e.ColumnName != "":
		text += ", column " + e.ColumnName
	}
	return text
}
