//go:build unix

package server_test

import (
	"os"
	"testing"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(helperVariable); how != "" {
		helper(how)
		return
	}
	servertest.Main(m)
}

// needServers skips the test when a server is missing, or fails it under CI.
func needServers(t *testing.T) {
	t.Helper()
	if err := server.Missing(); err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
}
