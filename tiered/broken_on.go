//go:build tiered_broken

package tiered

import "os"

// brokenGuard names the guard that is switched off in this test build: lease,
// ticket, fence, sequence, session, retrack or life.
var brokenGuard = os.Getenv("TIERED_BREAK")

func broken(guard string) bool { return guard == brokenGuard }
