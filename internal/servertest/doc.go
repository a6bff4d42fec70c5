//go:build unix

// Package servertest gives tests a real Redis and a real Postgres.
//
// Tests that need a server to themselves, because they break it, ask for
// [Redis] or [Postgres]. All others ask for [RedisURL] or [DatabaseURL], which
// name the server that REDIS_URL or DATABASE_URL names, or else one private
// server that the test binary starts when first asked, and keep apart by
// [Prefix] and [Schema].
//
// A package that uses this one calls [Main] from its TestMain.
package servertest
