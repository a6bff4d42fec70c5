// Package tiered is a read-through cache of two tiers: one in the process, in
// front of Redis, in front of a loader that asks the source of truth.
//
// # A read
//
//	Get(key)
//	 1 local tier   a decoded value, found without a lock; served only if it has
//	                not expired and the freshness lease of its session holds
//	 2 ticket       opened before anything is read; a push or purge voids it
//	 3 Redis tier   one GET, which also registers this node for the next push
//	                (a script for a key that bears a tag, GET and PTTL for a
//	                value in plain JSON). Who is alone with the key looks there
//	                himself, on his goroutine (see look.go), and who is alone
//	                with Redis on a connection of his own (see readconn.go)
//	 4 flight       of those who come meanwhile; and whatever comes after a look
//	                that was no answer. Callers share it
//	 5 fill lease   SET NX of a token of its own: one node in the fleet loads, the
//	                others wait for the push that its fill sends. From here to
//	                the fill Redis pushes nothing about the key to this node
//	                (before it: a slot among the loads, see below)
//	 6 loader       on a context of its own
//	 7 fill         Redis takes the value only while the lease is in place,
//	                the local tier only while the ticket is good
//
// # A write
//
// The writer commits to the source and then calls [Cache.Invalidate], which
// drops the keys here, deletes them in Redis and publishes a purge, in one
// round trip. Two ways lead to the other nodes, because neither is enough:
//
//   - Redis pushes to every node that has read the key through one of its two
//     connections. It also covers expiry, eviction and writers that know
//     nothing of this package. It does not cover a key that is not in Redis:
//     deleting what is not there pushes nothing.
//   - The purge reaches every node, whatever it holds, and is all there is
//     where a server refuses tracking.
//
// Tracking is one-shot, and a write ends it for all, the writer included. So
// every fill ends with a read of the key, inside the same script. Redis pushes
// a node's own writes to it as well; a ticket knows when to expect that echo.
// (NOLOOP would silence it, and more: see link.track.)
//
// # Why nothing old is stored
//
// A value that was read before an invalidation must not be stored after it.
// Three guards see to that, each for one place:
//
//   - The ticket, for the local tier: see the comment on entry.
//   - The fill lease, for Redis: an invalidation deletes the key and the lease
//     with it, so the fill that comes late finds another value and is refused.
//   - The session, for everything at once: when a connection is lost, or Redis
//     forgets what this node holds, a new session begins, and what the old one
//     filled is served only for as long as what was proven before (see below).
//
// Callers who ask after an invalidation do not join a flight from before it.
// Frames in Redis carry the life of the server, so that a value restored from
// a snapshot, or found on a promoted replica, or on a server that was replaced
// and put back, is loaded anew (see life.go).
//
// # Why nothing old is served
//
// The promise: once the invalidation of a change has been acknowledged (it
// returned nil, or the journal delivered it), no read that starts more than
// [RedisOptions.MaxStale] later, on any node, returns an older value. On the
// node that invalidated, none that starts after Invalidate returned does,
// whatever it returned.
//
// What is kept out of a tier above would be enough if all news arrived. That it
// does is never assumed, but proven five times per MaxStale, and twice per second at
// least (see pulse): the node publishes a tick to itself, and all that Redis had to
// say to this node until then comes before the tick. (It is sent on the connection for
// reads and heard on the other, so both were in place.) What the node holds is right as
// of the moment at which that was sent, and is served for MaxStale from then on: the
// freshness lease. It is checked with the real monotonic clock on each local
// hit, so it holds for a process that was stopped and goes on, and for one
// whose connection has fallen silent, in whichever direction. A tick carries
// the number of the latest purge, so a purge that was lost on its way ends the
// session. Without the lease a read asks Redis, whose keys an acknowledged
// invalidation has deleted; failing that, the loader.
//
// The proof does not end with the connection. What a session filled is no older
// than MaxStale until its lease ends, whatever happened since; and so what a
// node holds when it is connected again, when Redis was flushed, or another
// server has taken over, is not looked up all at once. Each entry is served up
// to a moment of its own within that time (see remnant). News that arrives
// still voids it: a purge reaches every node, whatever Redis has forgotten.
// What other programs write does not after FLUSHALL, as Redis has forgotten
// whom to push it to: for up to MaxStale, the old value is served here.
//
// How it could fail, and what would notice:
//
//	 1 an entry is served after news has stopped      TestSilentConnection
//	 2 a flight from before that is joined            TestFlightInSilence
//	 3 a push is handled before the value it is about TestPushBeforeFill
//	 4 a fill comes after the invalidation            TestLateFill, TestLateFillOfTag
//	 5 a purge is lost                                TestLostPurge
//	 6 a connection is lost, and news with it         TestConnectionKilled
//	 7 Redis forgets what this node holds             TestFlushAll, TestTrackingTableFull
//	 8 a node's own fill ends its registration        TestPushAfterOwnFill
//	 9 the server returns with what was deleted       TestRedisRestarts, TestFailback
//	10 the server cannot be told                      TestReadOnlyServer, TestJournalBeforeTrust
//	11 Redis loses the list of a tag                  TestRemote (rule 6), TestListLostDuringLoad
//	12 a flight has no ticket that the tag can find   TestFlightWithoutTicket
//	13 an entry outlives the lease of its session     TestLostPurge, TestRemnantIsSpread
//	14 Redis was switched off, and on again           TestSwitchStorm, TestSwitchLeavesThePast, TestFirstSwitchOn
//	15 a refresh overtakes an invalidation            TestRefreshAhead
//	16 what was invalidated is served stale           TestNotStale, TestTagWhileTicketChanges, TestFormerStillLive
//	17 the journal is asked before the ticket is there TestLookDuringOutage
//	18 a reader without a lock meets one who writes   TestLocalUnlocked, TestLeaseBeforeEntry
//	19 a push is taken for an echo that never comes   TestPushWithoutEcho
//	20 the connection for reads is lost               TestReadConnLost
//	21 its pushes go elsewhere                        TestRedirectIsProven
//	22 a reply is taken for that to the next command  TestLateReplyHere
//	23 a push is written into the middle of a reply   TestMGETOfExpired
//
// # Tags
//
// Entries whose keys a writer cannot name are invalidated by the tag they bear
// ([Keyspace.Tag], [Tagged]). In Redis a tag is a set that lists the keys that
// bear it. The scripts that place a lease or a value add its key to the set,
// the one that invalidates the tag deletes all that the set lists, and the set;
// the purge carries the tag, and each node drops what it holds that bears it.
// What is not listed is not there: should Redis evict the set alone, an
// invalidation would miss its keys, so reads and fills ask whether the key is
// still listed (rule 6 of remote).
//
// # Several keys at a time
//
// [Cache.GetMany] goes the same way with all its keys at once: one MGET, or while
// somebody else is reading a GET for each, in one round trip; one for the leases, one
// call of a [ManyLoader] for what is left, one round trip for the fills. Each key has
// its own ticket, lease and place among the flights, so callers of Get share in the
// load, and an invalidation takes its key out of the batch and no other
// (TestGetManyAndInvalidation). Where another node, or another flight, is ahead with a
// key, the batch leaves it to them. More keys than half the commands that may be on
// their way (see maxInFlight) are asked for in several round trips, one after another,
// so a batch of any size leaves room to others; each is bounded by
// [RedisOptions.Timeout].
//
// # Sharing values with other programs
//
// With [Options.PlainJSON] a key holds the codec's JSON and nothing else, for
// how long Redis says. Other programs may read, set and delete it; tracking
// tells this node. The lease, and the mark of an absent key, must be under the
// same key all the same, so that whatever another program does there voids the
// fill. They are the JSON null, followed by white space that spells them: a
// program that meets one has nothing cached. (See plainForm.)
//
// # The loader's burden
//
// No more than [Options.MaxLoads] loads of a cache run at a time; the rest wait
// in line, before they take the fill lease, so that a node which is behind keeps
// no other from loading. When [Options.MaxQueuedLoads] wait, the next is told so
// at once: [ErrOverloaded]. The bounds are each cache's own, so the loader of
// one may ask another.
//
// A load that failed is tried again by the next caller. When that fails as well
// it is not repeated for 50 to 100 milliseconds, and longer, up to a second,
// while the key goes on failing: callers get its error. An invalidation of the
// key or its tag ends that on every node, and a value that appears in Redis is
// found. Each node damps by itself, so a key that cannot be loaded costs no more
// than one load per node in that time, however many wait for it. [ErrNotFound]
// is an answer, and [ErrOverloaded] is not remembered.
//
// # Past the TTL
//
// With [Options.ServeStale] a value whose TTL has ended stands in when the load
// of a newer one fails, or takes longer than [Options.SoftTimeout]. It comes
// with a [StaleError], so who does not know of this sees a failure, and a nil
// error means what it always does. The entry stays in its place in the local
// tier, and under the eye of its ticket; but for the TTL, what is served is what
// a local hit could be (see stale.go). The nodes of a fleet serve what each of
// them holds; nothing of this is in Redis.
//
// With [Options.RefreshAhead] the hits on a value that is near its end have one
// node load it anew, behind the readers. It replaces what Redis held before the
// load, and nothing else, so an invalidation in between wins; the push of the
// new value ends the old entries.
//
// # Without Redis
//
// While there is no connection, Get asks the loader and keeps what it says for
// at most [RedisOptions.MaxStale]; a flight is joined for no longer than that.
// Invalidations that Redis did not acknowledge are kept in a journal, which is
// sent again until they are; the keys in it are not looked up in Redis.
// Connections are made again in the background, and no caller waits for that.
//
// While there is one that does not answer, each wait is bounded by
// [RedisOptions.Timeout], and a flight waits once: a command that got no reply
// in that time makes the line late, and nobody waits on a late line, as replies
// come in order. Beats tell of it where nobody asks. It is used again when a
// PING is answered in time; after one to two seconds without a sign of life the
// connection is given up. What no caller waits for, the journal and leases to
// be given back, is sent on a late line as well.
//
// A server that answers, but fails half of what flights ask of it, is spared by
// a circuit breaker, which lets a few through every 300 to 600 milliseconds.
// Invalidations do not ask the breaker: they are tried whenever the line
// answers. A server that takes no writes, a replica for one, is not used: it
// could not be told of changes.
//
// [RedisStatus] shows all of that, and counts failures by kind. What answers
// RESP that no server sends, such as a map of negative length, ends the process:
// the client's own goroutine panics, out of reach of this package.
//
// How a caller could wait all the same, and what would notice:
//
//	1 commands are sent behind one without a reply   TestLateLine, TestSlowServer
//	2 callers wait for room among such commands      TestWaitingForRoomOnLateLine
//	3 nobody asks, and the first who does must wait  TestSilenceIsNoticed
//	4 Redis freezes while a flight waits for a fill  TestFreezeDuringWait
//	5 a lease is left behind, for others to wait for TestLeaseGivenBack
//	6 an invalidation takes many round trips         TestInvalidateManyWaitsOnce
//	7 a server refuses what it is asked, in time     TestRefusingServer, TestFullServer
//	8 a cache is closed while Redis is frozen        TestCloseDuringOutage
//	9 the journal is long, or all room is taken      TestReviveDuringSettle, TestJournalNeedsNoRoom
//
// [Redis.SetEnabled] switches Redis off and on while the process runs. Off,
// nothing is remembered but the failure of a load, and calls for one key at a
// time share a load. On, nothing is trusted that was written before it was off:
// a new life begins, and the other nodes are told at once, since until they know
// each side replaces what the other has put into Redis (TestNewLifeIsHeardAtOnce).
//
// # What is not promised
//
//   - A change that nobody invalidates is seen when the TTL ends. So is one
//     whose writer dies between commit and Invalidate.
//   - The journal lives in memory and holds 100,000 keys. A node that ends
//     while it has pending invalidations leaves the others to the TTL; so does
//     one that overflows, and its Invalidate says so.
//   - A loader that reads a lagging replica of its database may store what was
//     true before the invalidation.
//   - SWAPDB replaces all keys and tells nobody.
//   - Two masters at once: a node that is partitioned together with the old one
//     hears its ticks and none of the changes made on the other. With
//     min-replicas-to-write such a master takes no writes, and then it is not
//     used.
//   - A machine that is suspended as a whole, and its monotonic clock with it,
//     adds that time to MaxStale.
//   - A server that was replaced and put back while it knew nothing of that is
//     known by the nodes that were connected to its stand-in. If all of those
//     have ended meanwhile, nobody knows.
//   - Under memory pressure with a policy that evicts any key (allkeys-random)
//     Redis may evict the state: each time what the local tiers hold is given
//     up.
//   - A plain value does not say in which life of the server it was written:
//     after a restart from a snapshot, or a failover, it may be one that had
//     been deleted, for up to its TTL. Nor does this package keep another
//     program from storing what it read before a change.
//   - A plain value to which another program gave more time than this package
//     would have, nine tenths of [Options.TTL] or a little more, is taken for a
//     newer one than it is when Redis is switched on again, and after an
//     overflow of the journal.
//   - A node on which Redis is off from the start keeps no journal: what it
//     changes, others see when the TTL ends, or, when it is switched on, by the
//     new life that it begins then. When many are, each begins one, and each
//     time what Redis holds is loaded again.
//   - A plain value that bears a tag and that another program wrote is found by
//     the tag only once a node has read it.
//   - Of a value whose TTL has ended a node hears only what invalidations say.
//     What another program does to the key in Redis from then on does not keep
//     it from being served with a StaleError.
//   - Remaining life of a value read from Redis is counted with this node's
//     wall clock from a time the writer's wrote down. Clocks that differ make
//     it that much longer or shorter, up to one TTL; and after an overflow of
//     the journal, what was loaded before it is told by the same clocks.
//
// # Limits
//
// Values of more than 100 KiB, encoded, are not put into Redis, and are kept
// here for MaxStale only: a connection that also subscribes may have 32 MB of
// replies on their way before Redis cuts it. Programs with two ideas of a
// value's type may share keys, during a deploy; whose value is not in Redis
// loads it once per MaxStale and node.
//
// Redis 6.2 or newer is needed, for tracking and GETEX; the tests run against
// 7.0, and have passed with Redis 8.0 and Valkey 8.0. The user needs scripts,
// publish and subscribe, the commands on strings, hashes and sorted sets that
// the scripts name, and, after the prefix, keys and channels that begin with
// tiered: beside those of the caches.
package tiered
