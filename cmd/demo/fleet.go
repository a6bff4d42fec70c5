package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	startTime = 20 * time.Second // for a node to announce itself: its caches connect meanwhile
	stopTime  = 10 * time.Second // for a node to drain; above the node's own drainTime
)

// A fleet is the node processes and the client that talks to them.
type fleet struct {
	nodes   []*child
	client  *http.Client
	secrets secrets
}

// A child is one node process.
type child struct {
	index int
	addr  string // host:port
	cmd   *exec.Cmd
	stdin io.Closer // the node ends when this closes, also by the death of this process

	ended chan struct{} // closed when the process has ended
	err   error         // how it ended; read after ended is closed
}

// startFleet starts n nodes and waits until all of them serve. A node that
// ends by itself later on cancels with the reason. What the nodes print on
// standard error goes to stderr, each line with the node's number.
func startFleet(ctx context.Context, n int, c nodeConfig, stderr io.Writer, cancel context.CancelCauseFunc) (*fleet, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &fleet{
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		secrets: c.Secrets,
	}
	stderr = &syncWriter{w: stderr}
	announced := make(chan error, n)
	for i := range n {
		c.Index = i + 1
		node, lines, err := startNode(program, c, stderr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("node %d: %w", c.Index, err), f.stop(ctx))
		}
		f.nodes = append(f.nodes, node)
		go func() {
			announced <- node.await(lines)
			node.err = node.cmd.Wait()
			cancel(fmt.Errorf("node %d ended: %w", node.index, node.how()))
			close(node.ended)
		}()
	}
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	for range n {
		select {
		case err = <-announced:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-timer.C:
			err = fmt.Errorf("a node did not start within %v", startTime)
		}
		if err != nil {
			return nil, errors.Join(err, f.stop(ctx))
		}
	}
	return f, nil
}

// startNode starts one node process. Its announcement can be read from the
// returned reader.
func startNode(program string, c nodeConfig, stderr io.Writer) (*child, io.Reader, error) {
	cmd := exec.Command(program, nodeCommand)
	// A process group of its own: Ctrl-C in the terminal reaches this process
	// alone, which then stops the nodes in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &lineWriter{w: stderr, prefix: fmt.Sprintf("node %d: ", c.Index)}
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	node := &child{index: c.Index, cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	if err := json.NewEncoder(stdin).Encode(c); err != nil {
		err = errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		return nil, nil, err
	}
	return node, stdout, nil
}

func (n *child) url(path string) string { return "http://" + n.addr + path }

// await reads the announcement.
func (n *child) await(lines io.Reader) error {
	line, err := bufio.NewReader(lines).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("node %d ended before it served", n.index)
	}
	var a announcement
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("node %d: announcement: %w", n.index, err)
	}
	if a.Redis != "" {
		return fmt.Errorf("node %d: Redis is not connected: %s", n.index, a.Redis)
	}
	n.addr = a.Addr
	return nil
}

func (n *child) how() error {
	if n.err == nil {
		return errors.New("exit status 0")
	}
	return n.err
}

// stop asks every node to drain and end, and kills those that do not. It
// returns how nodes ended that did not end well. Those that had ended before
// are no news. It does all that also when ctx has ended.
func (f *fleet) stop(ctx context.Context) error {
	f.client.CloseIdleConnections()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	errs := make([]error, len(f.nodes))
	var wg sync.WaitGroup
	for i, n := range f.nodes {
		wg.Go(func() { errs[i] = leftover(fmt.Sprintf("node %d", n.index), n.stop(limit)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *child) stop(limit context.Context) error {
	select {
	case <-n.ended:
		return nil
	default:
	}
	n.stdin.Close() // fails only if the node has just ended
	select {
	case <-n.ended:
	case <-limit.Done():
		_ = n.cmd.Process.Kill() // fails only if the node has just ended
		<-n.ended
	}
	return n.err
}

// getJSON answers a GET into v and returns the status. v is filled only with
// status 200. Errors do not repeat the URL, which may hold a phone number.
func (f *fleet) getJSON(ctx context.Context, n *child, path string, v any) (int, error) {
	return f.do(ctx, http.MethodGet, n, path, nil, v)
}

func (f *fleet) do(ctx context.Context, method string, n *child, path string, body, v any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, n.url(path), content)
	if err != nil {
		return 0, bare(err)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return 0, bare(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// Read to the end, so that the connection is used again.
		_, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
		return response.StatusCode, err
	}
	return http.StatusOK, json.NewDecoder(response.Body).Decode(v)
}

// bare returns the innermost error: the outer ones name addresses and URLs,
// which tell an error from the next and may hold phone numbers.
func bare(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// stats asks every node for its statistics.
func (f *fleet) stats(ctx context.Context) ([]nodeStats, error) {
	all := make([]nodeStats, len(f.nodes))
	for i, n := range f.nodes {
		status, err := f.getJSON(ctx, n, "/stats", &all[i])
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		if err != nil {
			return nil, fmt.Errorf("node %d: stats: %w", n.index, err)
		}
	}
	return all, nil
}
