//go:build unix

package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A MissingError is returned when a server's binary is not on this machine.
// Its text is one line that says how to get it.
type MissingError struct {
	Binary   string // what was looked for, such as redis-server
	Package  string // the package of Debian that holds it
	Variable string // the environment variable that names a running server instead
}

// Error says what is missing and how to get it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s not found: install it (Debian: apt-get install %s) or set %s",
		e.Binary, e.Package, e.Variable)
}

// Where distributions put the servers that they keep off PATH.
var (
	redisFolders = []string{
		"/usr/bin", "/usr/local/bin", "/opt/homebrew/opt/redis/bin", "/usr/local/opt/redis/bin",
	}
	postgresFolders = []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/local/pgsql/bin",
	}
)

func findRedis() (string, error) {
	path, ok := find("redis-server", redisFolders)
	if !ok {
		return "", &MissingError{Binary: "redis-server", Package: "redis-server", Variable: "REDIS_URL"}
	}
	return path, nil
}

// findPostgres returns the folder that holds both postgres and initdb.
func findPostgres() (string, error) {
	missing := &MissingError{Binary: "postgres", Package: "postgresql", Variable: "DATABASE_URL"}
	path, ok := find("postgres", postgresFolders)
	if !ok {
		return "", missing
	}
	// What is on PATH may be a link; initdb is beside the file itself. (Links
	// to redis-server stay as they are: its name decides what it does.)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	folder := filepath.Dir(path)
	if !executable(filepath.Join(folder, "initdb")) {
		missing.Binary = "initdb"
		return "", missing
	}
	return folder, nil
}

// find looks for a binary on PATH, then in the folders that match the
// patterns, newest version first.
func find(name string, patterns []string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
		return path, true
	}
	for _, pattern := range patterns {
		folders, _ := filepath.Glob(pattern) // fails for a bad pattern only
		slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
		for _, folder := range folders {
			if path := filepath.Join(folder, name); executable(path) {
				return path, true
			}
		}
	}
	return "", false
}

// version returns the first number in a folder's path, or 0.
func version(folder string) int {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	start := strings.IndexFunc(folder, digit)
	if start < 0 {
		return 0
	}
	number := folder[start:]
	if end := strings.IndexFunc(number, func(r rune) bool { return !digit(r) }); end >= 0 {
		number = number[:end]
	}
	n, _ := strconv.Atoi(number) // 0 when it is too long to be a version
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
