package tiered

import "errors"

var (
	// ErrNotFound is returned by a Loader for a key that its source does not
	// have, and by [Cache.Get] for a key whose absence is known.
	ErrNotFound = errors.New("tiered: not found")

	// ErrClosed is returned by the methods of a closed [Cache], and by [New]
	// and [Cache.Invalidate] when the [Redis] is closed.
	ErrClosed = errors.New("tiered: closed")

	// ErrOverloaded is returned by [Cache.Get], at once, when a load would have
	// to wait and [Options.MaxQueuedLoads] do so already, and when a load has
	// waited for all of [Options.LoadTimeout]. It is not remembered.
	ErrOverloaded = errors.New("tiered: too many wait for their turn")

	// ErrLoading is the cause of a [StaleError] when the load of a newer value
	// takes longer than [Options.SoftTimeout]. It goes on.
	ErrLoading = errors.New("tiered: the load goes on")

	// ErrPending is returned by [Cache.Invalidate] when Redis did not
	// acknowledge the invalidation in time. This node obeys it already; it
	// is kept, and sent to the others when Redis answers again.
	ErrPending = errors.New("tiered: invalidation pending")

	// ErrJournalFull is returned by [Cache.Invalidate] instead of ErrPending
	// when there are 100,000 keys to be sent already. This node obeys it; the
	// others are never told, and may serve what they hold until its TTL ends.
	ErrJournalFull = errors.New("tiered: Redis does not answer and the journal is full")
)
