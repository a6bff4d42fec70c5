//go:build unix

package server_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t, "--maxmemory", "10mb")

	t.Run("CLI renders replies", func(t *testing.T) {
		for _, test := range []struct {
			args []string
			want string
		}{
			{[]string{"PING"}, "PONG"},
			{[]string{"CONFIG", "GET", "maxmemory"}, "maxmemory\n10485760"},
			{[]string{"CONFIG", "GET", "save"}, "save\n"},
			{[]string{"SET", "k", "a\r\nb c"}, "OK"},
			{[]string{"GET", "k"}, "a\r\nb c"},
			{[]string{"GET", "none"}, ""},
			{[]string{"INCR", "n"}, "1"},
			{[]string{"EVAL", "return {1, {'a', 'b'}, redis.error_reply('E x')}", "0"}, "1\na\nb\nE x"},
		} {
			if got, err := r.CLI(test.args...); err != nil || got != test.want {
				t.Errorf("CLI(%q) = %q, %v, want %q", test.args, got, err, test.want)
			}
		}
		if got, err := r.CLI("NOSUCH"); err == nil {
			t.Errorf("CLI(NOSUCH) = %q, want an error", got)
		}
	})
	t.Run("URL names the address", func(t *testing.T) {
		if got, want := r.URL(), "redis://"+r.Addr()+"/0"; got != want {
			t.Errorf("URL() = %q, want %q", got, want)
		}
	})
}

func TestRedisPassword(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t, "--requirepass", "se:cret")
	if got, err := r.CLI("PING"); err != nil || got != "PONG" {
		t.Errorf("CLI(PING) = %q, %v, want PONG", got, err)
	}
	if got, want := r.URL(), "redis://:se%3Acret@"+r.Addr()+"/0"; got != want {
		t.Errorf("URL() = %q, want %q", got, want)
	}
}

func TestRedisPauseResume(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t)
	r.Pause()
	conn := dial(t, r.Addr()) // the kernel accepts
	if got := answer(conn, time.Second/10); got != "" {
		t.Errorf("a paused server says %q", got)
	}
	r.Resume()
	if got := answer(conn, 10*time.Second); got != "+PONG\r\n" {
		t.Errorf("a resumed server says %q, want PONG", got)
	}
}

func TestRedisKillRestart(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t)
	for _, args := range [][]string{{"SET", "k", "saved"}, {"SAVE"}, {"SET", "k", "lost"}} {
		if _, err := r.CLI(args...); err != nil {
			t.Fatal(err)
		}
	}
	addr := r.Addr()
	r.Kill()
	wantFree(t, addr)
	if list := members(t, r.Dir()); len(list) > 0 {
		t.Errorf("%d processes left", len(list))
	}
	if !exists(r.Dir() + "/dump.rdb") {
		t.Error("the folder is gone")
	}
	r.Kill() // nothing to do
	for range 2 {
		// The first time after Kill, the second while it runs.
		if err := r.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := r.CLI("GET", "k"); err != nil || got != "saved" || r.Addr() != addr {
			t.Errorf("GET k at %s = %q, %v, want the value of dump.rdb at %s", r.Addr(), got, err, addr)
		}
	}
}

func TestRedisRestartAfterShutdown(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t)
	if _, err := r.CLI("SHUTDOWN"); err == nil {
		t.Error("CLI(SHUTDOWN) returned a reply")
	}
	if err := r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CLI("PING"); err != nil {
		t.Error(err)
	}
}

func TestRedisStop(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*server.Redis){
		"running": func(*server.Redis) {},
		"paused":  (*server.Redis).Pause,
		"killed":  (*server.Redis).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := servertest.Redis(t)
			prepare(r)
			dir := r.Dir()
			r.Stop()
			if list := members(t, dir); len(list) > 0 || exists(dir) {
				t.Errorf("%d processes left, folder left: %t", len(list), exists(dir))
			}
			wantFree(t, r.Addr())
			r.Stop()
			r.Kill()
			r.Pause()
			if err := r.Restart(t.Context()); err == nil {
				t.Error("a stopped server starts again")
			}
		})
	}
}

func TestRedisRefusesToStart(t *testing.T) {
	needServers(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	if r, err := server.StartRedis(t.Context(), "--no-such-option", "1"); err == nil {
		r.Stop()
		t.Error("StartRedis takes an unknown option")
	} else if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.StartRedis(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("StartRedis with an ended context: %v", err)
	}
	if list, err := os.ReadDir(folder); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// Another process, here a Redis that answers our PING, has taken the port.
func TestRedisTakesAnotherPort(t *testing.T) {
	t.Parallel()
	other := servertest.Redis(t)
	_, taken, _ := net.SplitHostPort(other.Addr())
	r, err := server.StartRedisOn(t.Context(), firstly(t, taken))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	if r.Addr() == other.Addr() {
		t.Errorf("both servers are at %s", r.Addr())
	}
	if _, err := r.CLI("PING"); err != nil {
		t.Error(err)
	}
}

func TestRedisRestartWithoutItsPort(t *testing.T) {
	t.Parallel()
	r := servertest.Redis(t)
	r.Kill()
	l, err := net.Listen("tcp4", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := r.Restart(t.Context()); err == nil {
		t.Error("Restart without the port = nil, want an error")
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// answer sends PING and returns what comes back within that time.
func answer(conn net.Conn, within time.Duration) string {
	_ = conn.SetDeadline(time.Now().Add(within))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err.Error()
	}
	var buf [7]byte
	n, _ := conn.Read(buf[:])
	return string(buf[:n])
}
