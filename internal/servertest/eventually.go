//go:build unix

package servertest

import (
	"testing"
	"time"
)

// pollInterval is short beside what tests wait for, which takes milliseconds,
// and long enough to leave the processor to it.
const pollInterval = 2 * time.Millisecond

// Eventually returns as soon as cond holds, and fails the test when it does
// not hold within the time given; what names it in the failure, such as "the
// node to notice". It is for waiting on other processes: whatever has a
// channel to wait on is waited for there, and what depends on time alone is
// tested in a synctest bubble.
//
// It calls cond on the goroutine of the test, at least once.
func Eventually(t testing.TB, within time.Duration, cond func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(within); !cond(); time.Sleep(pollInterval) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", within, what)
		}
	}
}
