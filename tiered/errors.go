package tiered

import "errors"

var (
	// ErrNotFound is returned by a Loader for a key that its source does not
	// have, and by [Cache.Get] for a key whose absence is known.
	ErrNotFound = errors.New("tiered: not found")

	// ErrClosed is returned by every method of a closed [Cache] or [Redis].
	ErrClosed = errors.New("tiered: closed")

	// ErrPending is returned by [Cache.Invalidate] when Redis did not
	// acknowledge the invalidation in time. This node obeys it already; it
	// is kept in the journal and sent to the others when Redis is back.
	ErrPending = errors.New("tiered: invalidation pending")
)
