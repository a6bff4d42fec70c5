//go:build unix

package chaos

import (
	"testing"

	"leadcache/internal/servertest"
)

// The nodes of a run are this very binary.
func TestMain(m *testing.M) {
	ServeNode()
	servertest.Main(m)
}
