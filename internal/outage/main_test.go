//go:build unix

package outage

import (
	"testing"

	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }
