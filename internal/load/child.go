//go:build unix

package load

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
)

const (
	replyTime = 30 * time.Second // for an order to be fulfilled
	stopTime  = 10 * time.Second // for a server to end
)

var errEnded = errors.New("the server has ended")

// A child is the server process, as seen by its parent.
type child struct {
	addr    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	replies chan reply
	ended   chan struct{} // closed when the process has ended
	err     error         // how; read after ended is closed
}

// startChild starts a server and returns when it listens.
func startChild(ctx context.Context, c serverConfig, stderr io.Writer) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &child{cmd: exec.Command(program), replies: make(chan reply, 1), ended: make(chan struct{})}
	// Ctrl-C in a terminal reaches this process alone.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Env = append(os.Environ(), serverVariable+"=1")
	s.cmd.Stderr = stderr
	s.cmd.WaitDelay = time.Second
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go s.listen(stdout)
	r, err := s.ask(ctx, c)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.addr = r.Addr
	return s, nil
}

// listen reads what the server says until it ends.
func (s *child) listen(stdout io.Reader) {
	defer close(s.ended)
	in := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var r reply
		if err := in.Decode(&r); err != nil {
			break
		}
		s.replies <- r
	}
	s.err = s.cmd.Wait()
}

// ask sends one line and waits for the reply.
func (s *child) ask(ctx context.Context, what any) (reply, error) {
	if err := json.NewEncoder(s.stdin).Encode(what); err != nil {
		return reply{}, fmt.Errorf("server: %w", err)
	}
	timer := time.NewTimer(replyTime)
	defer timer.Stop()
	select {
	case r := <-s.replies:
		if r.Error != "" {
			return reply{}, fmt.Errorf("server: %s", r.Error)
		}
		return r, nil
	case <-s.ended:
		return reply{}, errors.Join(errEnded, s.err)
	case <-ctx.Done():
		return reply{}, ctx.Err()
	case <-timer.C:
		return reply{}, fmt.Errorf("the server did not answer within %v", replyTime)
	}
}

// stop asks the server to end, and kills it if it does not. It may be called
// again.
func (s *child) stop() error {
	s.stdin.Close() // fails only if the server has just ended
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	for {
		select {
		case <-s.replies: // one that nobody waits for any more
		case <-s.ended:
			return s.err
		case <-timer.C:
			err := s.cmd.Process.Kill()
			<-s.ended
			return errors.Join(fmt.Errorf("the server did not end within %v", stopTime), err)
		}
	}
}
