//go:build unix

// Package outage takes Redis away from nodes that are read at full speed, in
// every way in turn, and measures what the readers notice.
//
//	readers ─▶ nodes ─▶ proxy ─▶ redis-server
//	             └────▶ postgres
//
// Redis is killed, stopped, cut off and silenced; after each it is given back.
// Each of these begins a phase.
//
// # What a wait for Redis is
//
// What a read takes beyond its own load, if it went past the local tier: a hit
// there waits for nothing. But on a machine where 64 goroutines and two servers
// share two processors, a read also waits for its turn, for up to some ten
// milliseconds, and for hundreds where other programs run too. A limit of 50
// cannot be seen to hold without knowing that. So each reader also reads, all
// the time, from a node whose Redis is switched off and whose load takes 4
// milliseconds: the same code, the same goroutines, and nobody to wait for.
// What such a read takes beyond the 4 is a pause. From each wait the pauses at
// the same time are deducted, those of the reader that was held up most; what
// is more than 10 milliseconds then, was added.
//
// A pause that hits only the goroutine that reads, or one that holds a lock for
// it, is not deducted, as no other reader has it. It is rare where pauses are
// rare. Where they are not, in more than 3 % of a phase, what looks like a wait
// says nothing: the fault is repeated, up to twice, and if that does not help
// the verdict is that there is none.
//
// Those reads are also the readers' rest, after 512 others or 20 milliseconds.
// (Where reads are slow, 512 take so long that hardly anyone would read without
// Redis, and what the machine does would pass for a wait.) Without any rest the
// Go scheduler would look at the network every 10 milliseconds only: it prefers
// whoever can run. Full speed is what 64 such readers make of the processors.
//
// What slows down the process as a whole is a pause, not a wait, also if an
// outage causes it. It shows in the rates.
//
// # What a load is
//
// One query by primary key, over one of 8 connections. Loads are counted when
// they begin. They are due once in MaxStale for each key and node; at the moment
// of a fault, and when a silent connection is given up, once more.
package outage
