// Package history holds what readers and writers of a chaos run saw, and
// judges it.
//
// Nothing in here talks to a server or looks at a clock: a [History] goes in
// and a [Report] comes out, the same for the same history.
//
// The versions of a key count its commits, so a history of versions and times
// is enough to tell what each read was allowed to return:
//
//   - Once an invalidation was acknowledged, a read that starts more than its
//     bound later returns that version or a newer one.
//   - On the node that wrote, a read that starts after Invalidate returned,
//     whatever it returned, does so too.
//   - Nothing is returned before it was written.
//   - Reads that allow no staleness, and the writes, are linearizable.
//   - All who ask for the lead of a phone number get the one that the database
//     has.
package history
