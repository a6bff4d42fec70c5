// Package leadsvc finds, makes and changes the leads of organizations, and
// remembers them in two tiers: in this process, and in the Redis that all
// nodes share. Postgres is where they live.
//
// # Which key serves which method
//
//	lead           {LeadKeyPrefix}{digits}:{organization id}   5 minutes
//	               FindOrCreateLead, FindLeadByPhone; a lead that is not there
//	               is remembered too, for 30 seconds
//	organization   bici:org:{number as it was given}           10 minutes
//	               OrganizationByPhone, whatever its outcome
//	context        bici:ctx:{lead id}                          1 minute
//	conversations  bici:conv:{lead id}:{limit}                 2 minutes
//	summaries      bici:sum:{lead id}                          5 minutes
//	session        bici:sess:{lead id}                         2 minutes
//	greeting       bici:greet:{lead id}                        1 minute
//
// The times are those of [Config]. An entry expires after 90 to 100 % of its
// time. tiered.RedisOptions.Prefix comes before every key. Keys that begin
// with tiered: are the cache's own. Service.Lead asks the database each time.
//
// # Changes
//
// A method that changes a row invalidates its keys after the commit and before
// it returns: a change of a lead everything that is remembered of it, a new
// message its conversations of any limit, its context and its greeting. From
// then on this node returns the new row, and the others do as soon as the news
// arrives: about a millisecond while both ends are connected to Redis; what
// else may happen is told by package tiered. A write that has begun is carried
// through to its invalidation even when its caller stops waiting; only one that
// the database keeps waiting, for a lock say, is given up two seconds later.
// Writes never use all connections: at least a quarter is left to reads, where
// there is more than one. Nor do those of one lead, which somebody may keep
// locked: they have their turns, and on each node one of them is carried out at
// a time. A write that finds no room waits for it, under the context of its
// caller and for no longer than ten seconds.
//
// # When things fail
//
// Failures of Redis never reach a caller: the answers come from Postgres, and
// what could not be invalidated is delivered later, unless this process ends
// before or has too much of it. Only the methods whose whole purpose is to
// invalidate say so, with [ErrPending] or [ErrJournalFull].
//
// Failures of Postgres are returned and never remembered; they are never
// [ErrNotFound]. While it is out, what is remembered is served until it expires,
// and after that, with a [*StaleError], for [Config.ServeStale]; all other reads
// are [ErrUnavailable] within five seconds: pg.Options.Timeout, and
// up to two before that while another node asks for the same. (Several
// statements of one method, the database growing slow between them, take
// longer.) Writes are too, but where more wait than there are slots, some wait
// for those before them, and after ten seconds are [ErrOverloaded]. One that was not sent invalidates nothing; one that was, and was not
// answered, is invalidated as if it had been made.
//
// # Not promised
//
// A change that this package does not make, by SQL or another program, shows
// when the entry expires, unless [Service.InvalidateLeadCaches] or
// [Service.InvalidateOrganizationCache] is called. A change whose connection to
// Postgres broke before the answer arrived is invalidated at once, as if it had
// been made; if the database makes it only later, it shows when the entry
// expires. So does a change of an organization in what was made of its name,
// the contexts and greetings of its leads. Other nodes cannot hear of a change
// while this one is cut off from Redis.
//
// Errors and logs hold no phone number and no key.
package leadsvc
