//go:build unix

package node

import (
	"fmt"

	"golang.org/x/sys/unix"

	"leadcache/internal/chaos/history"
)

// Now reads the clock that all processes of the machine share. (What
// [time.Time] holds of it starts anew with each process.)
func Now() history.Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(fmt.Sprintf("no monotonic clock: %v", err)) // there is one on every system that has the call
	}
	return history.Time(t.Nano())
}
