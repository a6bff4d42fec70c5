package tiered

import (
	"context"
	"fmt"
)

// A Loader asks the source of truth, usually a database, for one key.
//
// It returns [ErrNotFound], possibly wrapped, when the source says that the
// key does not exist; that answer is remembered as absent. Any other error is
// handed to the callers who waited for the load, and for up to a second to those
// who come after them (see damper).
//
// A Cache calls its Loader from several goroutines at once, for different
// keys and, after an invalidation, for one key too. The context is not that
// of any caller: it carries the values of the caller who began the load, ends
// after [Options.LoadTimeout], and ends when the Cache is closed. A loader
// that ignores it keeps its goroutine; the callers leave all the same.
//
// One that can load several keys at once is a [ManyLoader].
type Loader[K comparable, V any] interface {
	Load(ctx context.Context, key K) (V, error)
}

// LoaderFunc makes a Loader of a function.
type LoaderFunc[K comparable, V any] func(ctx context.Context, key K) (V, error)

// Load calls f.
func (f LoaderFunc[K, V]) Load(ctx context.Context, key K) (V, error) { return f(ctx, key) }

// A PanicError is returned to every caller who waited for a load that
// panicked, in the loader or the codec, or whose loader ended its goroutine
// with [runtime.Goexit] (Value is nil then). The panic itself goes no further:
// one bad row must not end a process that serves thousands of conversations.
//
// The stack is logged once, with the name of the keyspace.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error names the panic value's type only: its text may hold a key.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "tiered: the loader ended its goroutine"
	}
	return fmt.Sprintf("tiered: panic (%T)", e.Value)
}

// Unwrap returns the panic value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
