//go:build unix

package churn

import (
	"testing"

	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }
