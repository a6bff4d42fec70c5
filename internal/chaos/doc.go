//go:build unix

// Package chaos runs node processes on a real Redis and a real Postgres, breaks
// whatever can break, and checks every read against the history of commits.
//
//	node process ─▶ proxy ─▶ relay ─▶ redis-server ◀─ spare (a replica)
//	      └───────▶ proxy ─▶ postgres
//
// Each node has a proxy and a relay of its own: the proxy breaks connections,
// the relay loses purges and leads to the Redis that is in charge. Readers and
// writers run inside the nodes and tell this process what they saw (package
// node); when the faults have ended, package history judges it.
//
// A plan says which faults are drawn. There is one for everyday use and one
// for each guard that tiered can switch off in a test build: it leaves the
// guard alone with the fault that it is for, because guards back each other up.
//
// The seed fixes which faults are drawn, in which order and for how long, and
// what each reader and writer does next. How the processes interleave it does
// not fix.
package chaos
