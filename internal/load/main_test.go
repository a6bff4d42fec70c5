//go:build unix

package load

import (
	"testing"

	"leadcache/internal/servertest"
)

// The server of a run is this very binary.
func TestMain(m *testing.M) {
	ServeTexts()
	servertest.Main(m)
}
