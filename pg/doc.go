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
// and type may be enums. An identifier is compared by its exact text: another
// spelling of the same uuid, in capitals say, is another identifier, because
// identifiers are parts of cache keys and each row must have one key only.
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
// A missing row is [tiered.ErrNotFound]. The other sentinels of this package
// say what the database refused. Every error can be taken apart with
// errors.Is and errors.As, down to the *pgconn.PgError; the text, which ends
// up in logs, holds neither phone numbers nor any other argument.
//
// # Not promised
//
// A statement whose connection breaks before the answer arrives may have been
// carried out. Nothing is retried. A connection pooler that gives each
// transaction another connection needs default_query_exec_mode=exec in the
// URL, and a direct URL for [DB.Migrate].
package pg
