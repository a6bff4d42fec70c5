package tiered

import "errors"

var (
	// ErrNotFound is returned by a Loader for a key that its source does not
	// have, and by [Cache.Get] for a key whose absence is known.
	ErrNotFound = errors.New("tiered: not found")

	// ErrClosed is returned by the methods of a closed [Cache], and by [New]
	// and [Cache.Invalidate] when the [Redis] is closed.
	ErrClosed = errors.New("tiered: closed")

	// ErrPending is returned by [Cache.Invalidate] when Redis did not
	// acknowledge the invalidation in time. This node obeys it already; it
	// is kept, and sent to the others when Redis answers again.
	ErrPending = errors.New("tiered: invalidation pending")
)
