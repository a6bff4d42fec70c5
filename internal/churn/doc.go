//go:build unix

// Package churn looks for what a cache does not let go: it keeps two nodes busy
// with everything that makes and ends entries, for a long time, and holds what
// the process and Redis occupy late against what they occupied before.
//
//	readers ─▶ 2 nodes, each with a link and 2 caches ─▶ redis-server
//
// The source is memory: each key has a lead, or none. Readers ask for keys of a
// window that is much larger than a local tier and moves on, so that entries are
// evicted all the time and what was read once is never read again in the end.
// Meanwhile keys and tags are invalidated, values expire, callers leave before
// they are answered, connections are killed and Redis is flushed. The tags are
// always the same, whatever bears them.
//
// # What is flat
//
// Samples are taken at rest: readers wait meanwhile, and garbage has been
// collected. The first third of the run is left out, as everything fills. Then
// the median of the last third is held against that of the second, for the live
// heap, the goroutines, and the memory of Redis. The bounds are in check.go. What
// grows by less than a bound in a third of the run is not seen: a longer run
// sees it. What the heap takes with its gaps, and RSS, are shown and not judged,
// because the runtime decides when to give memory back.
package churn
