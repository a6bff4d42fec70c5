// Package bench measures the read path and the writer's call on real servers:
// go test -bench . here, or make bench.
//
// Keys are of 48 bytes, leads of about 520 bytes as JSON. The last level of a
// name is the number of concurrent callers, g=1, 64 or 1024; the times are per
// call, and with all callers together. With one they show latency, with many how
// well round trips are shared. Of most, those that a call took are counted, too:
// round-trips/op. In a Zipf mix 100,000 leads are asked for, the n-th as often as
// the distribution (1.01) has it.
//
//	LocalHit             leads that the local tier holds: hot, zipf
//	RedisHit             leads that only Redis has: in turn, zipf
//	Miss                 leads that nobody has
//	GetMany              20 leads in one call, here, in Redis or nowhere
//	Many                 50 keys, here, in Redis or nowhere, with GetMany, with one
//	                     Get after another, and with as many goroutines; a load
//	                     takes a millisecond
//	Stampede             g callers on each of eight nodes, and one lead that
//	                     nobody has: the time until all are answered, and loads/op
//	Invalidate           the writer's call, with 0 and 3 other nodes that hold
//	                     the lead
//	Visible              how soon after it other nodes see a change
//	FindOrCreateLead     a local hit of the service, and beside it one of a plain
//	                     cache: what the service adds
//	OrganizationByPhone  a local hit of the service
//	Webhook              organization, lead and context of a caller: all from the
//	                     local tier, all from Redis, or all from the database,
//	                     with Redis switched off
//	HitRatio             hit-%, what part of three traces a local tier of 16,000
//	                     entries answers
//	Memory               bytes/entry of the local tier, of which bytes/value are
//	                     the lead and bytes/beyond the price of keeping it; and
//	                     goroutines/node
//
// Each checks, by the counters of the caches and of Redis, that the calls were
// what its name says, and fails if they were not; so nobody else may use the
// Redis meanwhile. Where several nodes take part, all are in this process, and
// share its processors and its count of allocations.
//
// How other caches do at the same work: bench/rivals, a module of its own.
package bench
