// Package rivals measures this project's cache beside others, at the same work:
// the same leads of about 520 bytes of JSON, the same keys of 48 bytes, a TTL of
// an hour on each entry, and a real Redis over loopback. It is a module of its
// own, so that no user of the cache ever builds a rival.
//
//	make bench-rivals
//
// [BenchmarkRivals] has one level for the case and one for the name:
//
//	local-hot    one key that the local tier holds, on all processors
//	local-zipf   100,000 keys that it holds, the n-th as often as a Zipf
//	             distribution (1.01) has it, in the same order for all
//	redis-hit    keys in turn that Redis has, and a local tier of one entry
//	             has not
//	miss         keys that nobody has: look, load, and keep; the load is free
//	stampede     one key that nobody has, and g callers at about one moment;
//	             a load takes 2 ms. The time is that until all are answered;
//	             loads/op says how often the source was asked meanwhile
//
// The last three have a further level, the number of callers. [BenchmarkHitRatio]
// compares what local tiers of the same number of entries choose to keep.
//
// What is measured is the call a user would make, with the few lines that read
// through the cache where the rival leaves those to its user. Each adapter says
// what its rival does not do: whose value is decoded for each caller, who hears
// of changes, who loads once. Only ours bounds how old a value may be by less
// than its TTL when news stops coming, and pays for that on each hit with a look at
// the clock; so a ratio compares prices of different goods. TestRivals and TestTTL
// check that each of them answers what was loaded, keeps it, and lets go of it when
// its TTL ends, and each benchmark checks that it asked the tier it names.
//
// In Redis all keep JSON. Ours reads and writes it as the lead service does, with
// leadsvc.Codec, which knows the columns of a lead; the rivals that decode do it
// with encoding/json, as their users would unless they bring something else. What
// that is worth shows beside ours-default-codec, which is in the cases of Redis
// only: it is ours for a user who brings nothing.
//
// To add a rival, add a file with an adapter: see register.
package rivals
