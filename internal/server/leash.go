//go:build unix

package server

import (
	"bytes"
	"context"
	_ "embed" // for leash.sh
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed leash.sh
var leashScript string

const (
	pollInterval = 5 * time.Millisecond // between two tries of a server that is not ready yet
	replyTimeout = time.Minute          // a leash answers within milliseconds; more means that it is stuck
)

var (
	// errExited says that a server ended before it was ready.
	errExited = errors.New("ended before it was ready")

	// errPortTaken says that it did so because another process has its port.
	errPortTaken = errors.New("another process has the port")
)

// A leash runs one command and ends it when this process ends. It has no
// goroutine: what the script says is read when somebody waits for it, so
// that a server which runs during a test is no goroutine leak.
type leash struct {
	cmd  *exec.Cmd
	home string // holds data, the server's working folder, and log

	mu      sync.Mutex // held for one exchange with the script; guards the fields below
	exited  bool       // the command has ended since it was started last
	in      *os.File   // nil once stopped; closing it tells the script to end
	out     *os.File
	pending []byte // read from out, not yet a whole line
	last    string // the line before pending, for errors: it may be a complaint
}

// command is what a leash runs.
type command struct {
	args    []string
	env     []string            // in addition to PATH and LC_ALL
	user    *syscall.Credential // nil means the user of this process
	signals string              // end the command without violence, in this order
}

// newLeash starts the script; the command starts with [leash.start].
func newLeash(c command) (*leash, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), in.Close())
	}
	// The script goes by the environment to keep the lists of ps readable.
	args := append([]string{"-c", `eval "$LEASH"`, "leash", os.TempDir(), c.signals}, c.args...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"LEASH=" + leashScript, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}, c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, childOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.user}
	err = cmd.Start()
	err = errors.Join(err, childIn.Close(), childOut.Close())
	l := &leash{cmd: cmd, in: in, out: out}
	if cmd.Process == nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	if err == nil {
		l.home, err = l.expect("home ", time.Now().Add(replyTimeout))
	}
	if err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

// start runs the command, after it has ended what is left of an earlier run,
// and returns the process id.
func (l *leash) start() (pid int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.say("start"); err != nil {
		return 0, err
	}
	said, err := l.expect("pid ", time.Now().Add(replyTimeout))
	if err != nil {
		return 0, err
	}
	l.exited = false // what was said before was about an earlier run
	return strconv.Atoi(said)
}

// do sends one line other than "start" and waits until it is obeyed. On a
// stopped leash it does nothing.
func (l *leash) do(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in == nil {
		return nil
	}
	if err := l.say(line); err != nil {
		return err
	}
	_, err := l.expect("ok", time.Now().Add(replyTimeout))
	return err
}

// await calls ready until it returns nil. It gives up when ctx ends or when
// the command does.
func (l *leash) await(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not ready: %w (%w)", ctx.Err(), err)
		}
		exited, err := l.pause()
		if err != nil {
			return err
		}
		if exited {
			return l.exitError()
		}
	}
}

// pause waits a little, but not when the command has ended.
func (l *leash) pause() (exited bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.exited {
		_, err = l.expect("exit ", time.Now().Add(pollInterval))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return l.exited, err
}

// stop ends the command and the script and returns when every process and the
// folder are gone. It may be called again.
func (l *leash) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in == nil {
		return
	}
	// Errors are of no use here: the script ends when the pipe does, and
	// how it ended changes nothing.
	_ = l.in.Close()
	l.in = nil
	_ = l.cmd.Wait()
	_ = l.out.Close()
}

func (l *leash) say(line string) error {
	if l.in == nil {
		return errors.New("stopped")
	}
	if _, err := l.in.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("the leash is gone: %w", err)
	}
	return nil
}

// expect skips lines up to one with that prefix and returns the rest of it.
func (l *leash) expect(prefix string, deadline time.Time) (string, error) {
	for {
		line, err := l.next(deadline)
		if err != nil {
			return "", err
		}
		if rest, found := strings.CutPrefix(line, prefix); found {
			return rest, nil
		}
	}
}

// next returns the script's next line.
func (l *leash) next(deadline time.Time) (string, error) {
	if l.in == nil {
		return "", errors.New("stopped")
	}
	if err := l.out.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	for {
		if line, rest, found := bytes.Cut(l.pending, []byte("\n")); found {
			l.pending = rest
			l.last = string(line)
			l.exited = l.exited || strings.HasPrefix(l.last, "exit ")
			return l.last, nil
		}
		var buf [512]byte
		n, err := l.out.Read(buf[:])
		l.pending = append(l.pending, buf[:n]...)
		if err != nil {
			return "", fmt.Errorf("the leash does not answer: %w (it said %q)", err, l.last)
		}
	}
}

// exitError says why the command ended, by the last lines of its log.
func (l *leash) exitError() error {
	log, err := os.ReadFile(filepath.Join(l.home, "log"))
	if err != nil {
		return fmt.Errorf("%w: %w", errExited, err)
	}
	// Servers tell it in the system's words only.
	if bytes.Contains(log, []byte("Address already in use")) {
		return errPortTaken
	}
	const tail = 4
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return fmt.Errorf("%w: %s", errExited, strings.Join(lines[max(0, len(lines)-tail):], " | "))
}
