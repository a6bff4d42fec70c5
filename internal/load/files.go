//go:build unix

package load

import (
	"errors"
	"fmt"
	"syscall"
)

// otherFiles is how many a process has open beside its connections: those of
// the database, its program, pipes. Generous.
const otherFiles = 200

// ErrOpenFiles is returned when the machine does not let a process have as many
// connections as there are conversations. The text says how many it does.
var ErrOpenFiles = errors.New("too few open files are allowed")

// allowFiles raises this process's limit of open files to what so many
// connections need.
func allowFiles(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	need := uint64(connections + otherFiles)
	if limit.Cur >= need {
		return nil
	}
	raised := syscall.Rlimit{Cur: need, Max: max(need, limit.Max)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return fmt.Errorf("%w: %d, enough for %d conversations, and not for %d (ulimit -Hn): %w",
			ErrOpenFiles, limit.Max, max(0, int64(limit.Max)-otherFiles), connections, err)
	}
	return nil
}
