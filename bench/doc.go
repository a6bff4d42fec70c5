// Package bench measures the read path on real servers: go test -bench . here,
// or make bench. Each benchmark has a sub-benchmark for one caller (g=1) and
// for 64 (g=64); times are per call.
//
// A caller waits for a round trip to Redis in all but [BenchmarkLocalHit], so
// with one caller they show latency, with 64 how well round trips are shared.
//
// How other caches do at the same work: bench/rivals, a module of its own.
package bench
