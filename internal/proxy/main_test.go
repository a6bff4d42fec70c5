//go:build unix

package proxy_test

import (
	"testing"

	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }
