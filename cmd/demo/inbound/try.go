package inbound

import (
	"fmt"
	"runtime/debug"
)

// try returns what do does, and a panic as an error. It is for goroutines that
// are none of the server's, which would recover.
func try[T any](do func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic (%T) at %s", p, debug.Stack())
		}
	}()
	return do()
}
