//go:build unix

package server_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A process is told from a later one with the same id by its start time.
type process struct{ pid, parent, start string }

// processes lists the machine's processes by id, without the dead ones that
// nobody has waited for.
func processes(t *testing.T) map[string]process {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	if len(stats) == 0 {
		t.Skip("there is no /proc to find processes in")
	}
	found := make(map[string]process)
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// The name, in brackets, may hold anything; fields are counted after it.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if state := fields[0]; state == "Z" || state == "X" {
			continue
		}
		pid := filepath.Base(filepath.Dir(path))
		found[pid] = process{pid: pid, parent: fields[1], start: fields[19]}
	}
	return found
}

// descendants lists the processes that a process started, directly or not.
func descendants(t *testing.T, pid int) (list []process) {
	t.Helper()
	all := processes(t)
	family := map[string]bool{strconv.Itoa(pid): true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if family[p.parent] && !family[p.pid] {
				family[p.pid], grown = true, true
				list = append(list, p)
			}
		}
	}
	return list
}

// members lists the processes that work in a folder.
func members(t *testing.T, folder string) (list []process) {
	t.Helper()
	for _, p := range processes(t) {
		if cwd, err := os.Readlink("/proc/" + p.pid + "/cwd"); err == nil && cwd == folder {
			list = append(list, p)
		}
	}
	return list
}

// remaining lists those of the processes that still run.
func remaining(t *testing.T, list []process) (left []process) {
	t.Helper()
	now := processes(t)
	for _, p := range list {
		if now[p.pid].start == p.start {
			left = append(left, p)
		}
	}
	return left
}

// wantFree fails the test if somebody listens on an address.
func wantFree(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Errorf("the port is still taken: %v", err)
		return
	}
	l.Close()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
