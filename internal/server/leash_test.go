//go:build unix

package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

// TestNothingOutlives ends a process that has started both servers in all the
// ways in which processes end.
func TestNothingOutlives(t *testing.T) {
	t.Parallel()
	needServers(t)
	for _, test := range []struct {
		name, how string
		signal    syscall.Signal // 0 means that the process ends by itself
	}{
		{"a killed process", "wait", syscall.SIGKILL},
		{"Ctrl-C", "wait", syscall.SIGINT},
		{"a killed process with paused servers", "pause", syscall.SIGKILL},
		{"a killed process with killed servers", "kill", syscall.SIGKILL},
		{"return", "return", 0},
		{"os.Exit", "exit", 0},
		{"panic", "panic", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := startHelper(t, test.how)
			told := h.ready(t)
			bystander := strconv.Itoa(told.Bystander)
			family := slices.DeleteFunc(descendants(t, h.cmd.Process.Pid), func(p process) bool {
				return p.pid == bystander
			})
			if len(family) < len(told.Dirs) {
				t.Fatalf("%d processes for %d servers", len(family), len(told.Dirs))
			}
			fmt.Fprintln(h.in)
			h.end(t, test.signal)

			wantGone(t, family, told.Dirs...)
			for _, addr := range told.Addrs {
				wantFree(t, addr)
			}
			if _, alive := processes(t)[bystander]; !alive {
				t.Error("the bystander is gone, so it proves nothing")
			}
		})
	}
}

// TestNothingOutlivesStart kills a process while initdb runs.
func TestNothingOutlivesStart(t *testing.T) {
	t.Parallel()
	needServers(t)
	h := startHelper(t, "start")
	var family []process
	var dir string
	servertest.Eventually(t, 30*time.Second, func() bool {
		family = descendants(t, h.cmd.Process.Pid)
		for _, p := range family {
			cwd, _ := os.Readlink("/proc/" + p.pid + "/cwd") // empty if it ended meanwhile
			if exists(cwd + "/base") {
				dir = cwd
			}
		}
		return dir != "" && len(sharedMemoryOf(t, family)) > 0
	}, "initdb to run a server")
	h.end(t, syscall.SIGKILL)
	wantGone(t, family, dir)
}

// TestGrace: who needs a moment to end has it, and who does not end is killed, but not
// before.
func TestGrace(t *testing.T) {
	t.Parallel()
	needServers(t)
	run := func(t *testing.T, script string) (stop func(), file string) {
		t.Helper()
		file = filepath.Join(t.TempDir(), "said")
		stop, err := server.RunShell(fmt.Sprintf("FILE='%s'; %s", file, script))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		servertest.Eventually(t, time.Minute, func() bool { return exists(file) }, "the script to be ready")
		return stop, file
	}
	t.Run("enough", func(t *testing.T) {
		t.Parallel()
		stop, file := run(t, `trap 'sleep 1; echo bye >"$FILE"; exit' TERM; >"$FILE"; while :; do sleep 0.1; done`)
		stop()
		if said, err := os.ReadFile(file); string(said) != "bye\n" {
			t.Errorf("it said %q, %v: it was killed while it ended", said, err)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		t.Parallel()
		stop, _ := run(t, `trap '' TERM; >"$FILE"; while :; do sleep 0.1; done`)
		began := time.Now()
		stop()
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("it was killed after %v, want five seconds at least", took)
		}
	})
}

// A helperProcess is this test binary, run as a process that starts servers.
type helperProcess struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// startHelper runs the helper as the leader of a process group.
func startHelper(t *testing.T, how string) *helperProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+how)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The bystander ends when this pipe does: with the test, or when somebody
	// interrupts this process.
	lifeline, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{lifeline}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		lifeline.Close()
		hold.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &helperProcess{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// ready waits until the helper has done what it was told.
func (h *helperProcess) ready(t *testing.T) (told helperReport) {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the helper said %q: %v", line, err)
	}
	if err := json.Unmarshal([]byte(line), &told); err != nil {
		t.Fatalf("the helper said %q: %v", line, err)
	}
	return told
}

// end sends the helper's group a signal, if there is one, and waits for the
// helper to end.
func (h *helperProcess) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if signal != 0 {
		if err := syscall.Kill(-h.cmd.Process.Pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	_ = h.cmd.Wait() // how it ended is the test's doing
}

// wantGone waits until the processes, the servers' folders and their shared
// memory are gone.
func wantGone(t *testing.T, family []process, dirs ...string) {
	t.Helper()
	// The leash gives a server six seconds; on a busy machine each of its
	// steps may take some.
	servertest.Eventually(t, time.Minute, func() bool {
		return len(remaining(t, family)) == 0
	}, "the processes to go")
	for _, dir := range dirs {
		if home := filepath.Dir(dir); exists(home) {
			t.Errorf("left behind: %s", home)
		}
	}
	if segments := sharedMemoryOf(t, family); len(segments) > 0 {
		t.Errorf("shared memory left behind: %v", segments)
	}
}

// sharedMemoryOf lists the System V segments that the processes made.
func sharedMemoryOf(t *testing.T, family []process) (segments []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Log(err)
		return nil
	}
	const creator = 4 // column of the process id that made the segment
	for line := range strings.Lines(string(table)) {
		columns := strings.Fields(line)
		for _, p := range family {
			if len(columns) > creator && columns[creator] == p.pid {
				segments = append(segments, line)
			}
		}
	}
	return segments
}
