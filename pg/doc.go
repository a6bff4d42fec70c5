// Package pg keeps organizations, leads, conversations, summaries and call
// sessions in Postgres: pool, migrations, statements and row types. It knows
// nothing of caches but the one error by which a loader says "no such row".
//
// # Databases it works with
//
// [DB.Migrate] makes the tables in an empty database. In one that has them
// already it adds what is missing and changes no row but those whose
// normalized phone number is null. Identifiers are text to this package; the
// columns may be of type uuid as well as text, and status, sentiment, sender
// and type may be enums. A row is looked up by the exact text of an identifier:
// another spelling of the same uuid, in capitals say, finds nothing, because
// identifiers are parts of cache keys and each row must have one key only. A
// column of type uuid that is set takes any spelling; the row that is returned
// has the one to look it up by.
//
// # Values
//
// Row types hold no pointer, slice or map, so they can be compared with ==
// and shared between goroutines without being copied. Their JSON form has the
// column names and gives back the identical value when it is read again: a
// row that went through a cache cannot be told from one that did not.
//
// # Errors
//
// A missing row is [tiered.ErrNotFound]. A database that is down, frozen, cut
// off, full or too slow is [ErrUnavailable], never a missing row; when the
// context of a caller ends first, it is the error of that context. The other
// sentinels of this package say what the database refused. Where the server
// said more, errors.As finds its *pgconn.PgError, which may quote arguments; the
// text, which ends up in logs, holds neither phone numbers nor any other
// argument.
//
// # When the database is out
//
// No statement takes longer than [Options.Timeout], and none is sent again for
// that: the caller decides. Connections that broke, did not answer in time, or took no
// changes are given up, and new ones are made when somebody asks: the database
// is used again as soon as it answers. A host that vanished, so that nothing
// can be sent to it, may keep the places of its connections for 15 seconds.
//
// # Not promised
//
// A statement whose connection breaks before the answer arrives may have been
// carried out. Nothing is retried but what lost a race to another writer and
// was rolled back. A connection pooler that gives each
// transaction another connection needs default_query_exec_mode=exec in the
// URL, and a direct URL for [DB.Migrate].
package pg
