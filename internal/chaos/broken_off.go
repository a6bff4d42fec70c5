//go:build unix && !tiered_broken

package chaos

// breakable says that the nodes of this build heed TIERED_BREAK.
const breakable = false
