//go:build unix

package server_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"leadcache/internal/server"
)

func TestFind(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", filepath.Join(root, "path"))
	patterns := []string{filepath.Join(root, "none-*"), filepath.Join(root, "lib-*", "bin")}
	put := func(folder string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(root, folder, "thing")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wantFind := func(want string) {
		t.Helper()
		if got, ok := server.Find("thing", patterns); got != want || ok != (want != "") {
			t.Errorf("Find = %q, %t, want %q", got, ok, want)
		}
	}

	wantFind("")
	put("lib-17/bin", 0o644)
	wantFind("") // not executable
	wantFind(put("lib-9/bin", 0o755))
	wantFind(put("lib-15/bin", 0o755)) // newer than 9
	wantFind(put("path", 0o755))
}

func TestMissingErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := &server.MissingError{Binary: "redis-server", Package: "redis-server", Variable: "REDIS_URL"}
	const want = "redis-server not found: install it (Debian: apt-get install redis-server) or set REDIS_URL"
	if got := err.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

// firstly returns a chooser of ports that begins with one that is taken.
func firstly(t *testing.T, taken string) func() (int, error) {
	t.Helper()
	port, err := strconv.Atoi(taken)
	if err != nil {
		t.Fatal(err)
	}
	return func() (next int, err error) {
		next, port = port, 0
		if next == 0 {
			return server.FreePort()
		}
		return next, nil
	}
}
