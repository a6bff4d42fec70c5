//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	redisStartTimeout = 30 * time.Second // usually 20 ms; generous for a loaded machine
	cliTimeout        = 5 * time.Second
)

// Redis is a private redis-server. Its methods may be called concurrently.
type Redis struct {
	leash    *leash
	port     int
	password string
}

// StartRedis starts a redis-server without persistence and returns when it
// answers. The args are appended to its command line, such as "--maxmemory",
// "10mb"; a password given by --requirepass is part of the URL.
//
// It returns a [*MissingError] when there is no redis-server, and an error
// when ctx ends first or when the server refuses to start. The end of ctx
// does not stop a server that has started: [Redis.Stop] does, or the end of
// this process.
func StartRedis(ctx context.Context, args ...string) (*Redis, error) {
	return startRedis(ctx, freePort, args)
}

func startRedis(ctx context.Context, port func() (int, error), args []string) (*Redis, error) {
	binary, err := findRedis()
	if err != nil {
		return nil, err
	}
	for range portTries {
		var r *Redis
		if r, err = newRedis(binary, port, args); err != nil {
			break
		}
		if err = r.launch(ctx); err == nil {
			return r, nil
		}
		r.Stop()
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("redis-server: %w", err)
}

func newRedis(binary string, port func() (int, error), args []string) (*Redis, error) {
	p, err := port()
	if err != nil {
		return nil, err
	}
	line := append([]string{
		binary, "--bind", "127.0.0.1", "--port", strconv.Itoa(p), "--daemonize", "no", "--logfile", "",
		"--save", "", "--appendonly", "no",
	}, args...)
	l, err := newLeash(command{args: line, signals: "TERM"})
	if err != nil {
		return nil, err
	}
	return &Redis{leash: l, port: p, password: passwordIn(args)}, nil
}

// passwordIn returns the value of --requirepass.
func passwordIn(args []string) (password string) {
	for i, arg := range args[:max(0, len(args)-1)] {
		if arg == "--requirepass" {
			password = args[i+1]
		}
	}
	return password
}

// launch starts the process and waits until it answers.
func (r *Redis) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisStartTimeout)
	defer cancel()
	pid, err := r.leash.start()
	if err != nil {
		return err
	}
	return r.leash.await(ctx, func(ctx context.Context) error {
		return r.ping(ctx, pid)
	})
}

// ping fails unless it is our process that answers: if it could not have the
// port, the server that has it would answer too.
func (r *Redis) ping(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := redisCall(ctx, r.Addr(), r.password, "PING"); err != nil {
		return err
	}
	info, err := redisCall(ctx, r.Addr(), r.password, "INFO", "server")
	if err != nil {
		return err
	}
	if !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", pid)) {
		return errors.New("another server answers on this port")
	}
	return nil
}

// URL returns redis://127.0.0.1:port/0, with the password if there is one.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr(), Path: "/0"}
	if r.password != "" {
		u.User = url.UserPassword("", r.password)
	}
	return u.String()
}

// Addr returns 127.0.0.1:port.
func (r *Redis) Addr() string { return address(r.port) }

// Dir returns the server's working folder, where it keeps dump.rdb after a
// SAVE and looks for it when it starts. It lasts until Stop.
func (r *Redis) Dir() string { return filepath.Join(r.leash.home, "data") }

// Log returns what the server has logged since it was started last.
func (r *Redis) Log() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.leash.home, "log"))
	return string(text), err
}

// Stop ends the server and removes its folder. It returns when both are gone;
// further calls do nothing. A server that does not end by itself within five
// seconds is killed.
func (r *Redis) Stop() { r.leash.stop() }

// Kill ends the server as SIGKILL does, keeps its folder and returns when its
// processes are gone. Kill, Pause and Resume do nothing to a server that does
// not run.
func (r *Redis) Kill() { _ = r.leash.do("kill") }

// Pause stops the server's processes as SIGSTOP does: connections stay open
// and are even accepted, but nothing is answered.
func (r *Redis) Pause() { _ = r.leash.do("STOP") }

// Resume lets a paused server go on.
func (r *Redis) Resume() { _ = r.leash.do("CONT") }

// Restart starts the server again on the same port, in the same folder and
// with the same arguments, and returns when it answers. A server that still
// runs is killed first. It fails when another process has taken the port.
func (r *Redis) Restart(ctx context.Context) error {
	if err := r.launch(ctx); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	return nil
}

// CLI sends one command over a connection of its own and returns the reply:
// nothing for null, one line for each element of an array, an error for an
// error. It waits at most five seconds.
func (r *Redis) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cliTimeout)
	defer cancel()
	reply, err := redisCall(ctx, r.Addr(), r.password, args...)
	if err != nil {
		return "", fmt.Errorf("redis-server: %w", err)
	}
	return reply, nil
}
