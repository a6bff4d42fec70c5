package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// TestSignals runs the demo as a process of its own, with servers that it
// starts itself, and looks at what is left of it.
func TestSignals(t *testing.T) {
	// Skips where they are missing.
	servertest.Redis(t).Stop()
	servertest.Postgres(t).Stop()

	t.Run("Ctrl-C stops all in order", func(t *testing.T) {
		d := startDemo(t)
		// The terminal signals the whole process group.
		if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(d.stdout)
		if err != nil {
			t.Fatal(err)
		}
		d.wait()
		if code := d.cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit status %d, want 130; output:\n%s", code, rest)
		}
		if !strings.Contains(string(rest), "stopped in order") {
			t.Errorf("output %q, want a word on the stop", rest)
		}
		d.mustBeGone(t, 0)
	})

	t.Run("nothing outlives a parent that is killed", func(t *testing.T) {
		d := startDemo(t)
		if err := d.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		d.wait()
		d.mustBeGone(t, 30*time.Second)
	})

	t.Run("a reader that leaves stops it", func(t *testing.T) {
		d := startDemo(t)
		d.pipe.Close() // the next line of progress meets a closed pipe
		d.wait()
		if code := d.cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit status %d, want 130", code)
		}
		d.mustBeGone(t, 0)
	})
}

// A demoProcess is a demo whose nodes have started.
type demoProcess struct {
	cmd    *exec.Cmd
	pipe   io.Closer
	stdout *bufio.Reader
	nodes  []int
	ports  []string // of Redis and Postgres
}

var (
	postgresLine = regexp.MustCompile(`(?m)^Postgres .*\n`)
	portIn       = regexp.MustCompile(`(?m)^(?:Redis|Postgres) .*127\.0\.0\.1:(\d+)/`)
)

func startDemo(t *testing.T) *demoProcess {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// These tests may run where a test database is given.
	env := append(os.Environ(), asDemo+"=1", "REDIS_URL=", "DATABASE_URL=", "REDIS_ENABLED=")
	cmd := exec.Command(program, "-nodes", "2", "-duration", "10m", "-conversations", "5")
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = t.Output()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &demoProcess{cmd: cmd, pipe: pipe, stdout: bufio.NewReader(pipe)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when it has ended, as it should have
		d.wait()
	})
	var head strings.Builder
	for !postgresLine.MatchString(head.String()) {
		line, err := d.stdout.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			t.Fatalf("the demo's output ended: %v; it was:\n%s", err, head.String())
		}
	}
	servertest.Eventually(t, time.Minute, func() bool {
		d.nodes = nodesOf(t, cmd.Process.Pid)
		return len(d.nodes) == 2
	}, "two nodes")
	for _, match := range portIn.FindAllStringSubmatch(head.String(), -1) {
		d.ports = append(d.ports, match[1])
	}
	if len(d.ports) != 2 {
		t.Fatalf("ports %v, want two; output:\n%s", d.ports, head.String())
	}
	return d
}

// wait returns when the process has ended; how is in cmd.ProcessState.
func (d *demoProcess) wait() { _ = d.cmd.Wait() }

// mustBeGone fails the test if nodes or servers are still there after a while.
func (d *demoProcess) mustBeGone(t *testing.T, within time.Duration) {
	t.Helper()
	for _, pid := range d.nodes {
		servertest.Eventually(t, within, func() bool { return !alive(pid) }, "the end of a node")
	}
	for _, port := range d.ports {
		servertest.Eventually(t, within, func() bool {
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				conn.Close()
			}
			return err != nil
		}, "the end of a server")
	}
}

// nodesOf returns the process ids of the nodes that pid started.
func nodesOf(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		t.Skip("needs /proc")
	}
	var nodes []int
	for _, file := range files {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || parent(child) != pid {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err == nil && strings.Contains(string(line), "\x00"+nodeCommand+"\x00") {
			nodes = append(nodes, child)
		}
	}
	return nodes
}

// stat returns the state and the parent of a process, "" if there is none.
func stat(pid int) (state string, parent int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// The name in parentheses may hold anything.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

func parent(pid int) int {
	_, parent := stat(pid)
	return parent
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X"
}
