//go:build unix

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"leadcache/internal/chaos/node"
)

// nodeVariable in the environment makes this program a node.
const nodeVariable = "LEADCACHE_CHAOS_NODE"

// ServeNode ends the process as a node if it was started as one. It comes
// first in a program, or a TestMain, that calls [Run].
func ServeNode() {
	if os.Getenv(nodeVariable) != "" {
		os.Exit(node.Main())
	}
}

const (
	startTime = 20 * time.Second // for a node to be ready
	orderTime = 45 * time.Second // for an order to be fulfilled; above the node's own limit
	stopTime  = 10 * time.Second // for a node to end
)

// A child is one node process.
type child struct {
	id      int
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	replies chan node.Message // ready, and what is done
	ended   chan struct{}     // closed when the process has ended
	err     error             // how; read after ended is closed
}

// startChild starts a node and returns when it is ready. It calls observe with
// each message, on one goroutine.
func startChild(ctx context.Context, c node.Config, guard string, stderr io.Writer, observe func(node.Message)) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &child{id: c.ID, cmd: exec.Command(program), replies: make(chan node.Message, 1), ended: make(chan struct{})}
	// Ctrl-C in a terminal reaches this process alone.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.cmd.Env = append(os.Environ(), nodeVariable+"=1", "TIERED_BREAK="+guard)
	n.cmd.Stderr = stderr
	n.cmd.WaitDelay = time.Second
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go n.listen(stdout, observe)
	if err := json.NewEncoder(n.stdin).Encode(c); err != nil {
		return nil, errors.Join(err, n.kill())
	}
	if err := n.await(ctx, startTime); err != nil {
		return nil, errors.Join(err, n.kill())
	}
	return n, nil
}

// listen reads what the node says until it ends.
func (n *child) listen(stdout io.Reader, observe func(node.Message)) {
	defer close(n.ended)
	in := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var m node.Message
		if err := in.Decode(&m); err != nil {
			break // it has ended; if it was killed, maybe within a line
		}
		observe(m)
		if m.Ready || m.Done != "" {
			n.replies <- m
		}
	}
	n.err = n.cmd.Wait()
}

// order tells the node what to do and waits until it is done.
func (n *child) order(ctx context.Context, what string) error {
	if _, err := io.WriteString(n.stdin, what+"\n"); err != nil {
		return fmt.Errorf("node %d: %w", n.id, err)
	}
	return n.await(ctx, orderTime)
}

func (n *child) await(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case m := <-n.replies:
		if m.Error != "" {
			return errors.New(m.Error)
		}
		return nil
	case <-n.ended:
		return fmt.Errorf("node %d ended: %w", n.id, n.err)
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("node %d did not answer within %v", n.id, limit)
	}
}

// suspend stops the process as SIGSTOP does; resume lets it go on.
func (n *child) suspend() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }
func (n *child) resume() error  { return n.cmd.Process.Signal(syscall.SIGCONT) }

// kill ends the process as SIGKILL does and returns when it is gone. It fails
// if the process had ended by itself, which a node never does.
func (n *child) kill() error {
	err := n.cmd.Process.Kill()
	<-n.ended
	return err
}

// stop asks the node to end, and kills it if it does not.
func (n *child) stop() error {
	n.stdin.Close() // fails only if the node has just ended
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-n.ended:
		return n.err
	case <-timer.C:
		return errors.Join(fmt.Errorf("node %d did not end within %v", n.id, stopTime), n.kill())
	}
}
