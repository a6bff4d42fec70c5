//go:build unix

package proxy_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"leadcache/internal/proxy"
)

func TestForward(t *testing.T) {
	t.Parallel()
	_, client, server := setup(t)
	send(t, client, "ping")
	receive(t, server, "ping")
	send(t, server, "pong")
	receive(t, client, "pong")
}

// TestForwardMuch sends more than all buffers hold, in both directions at
// once, and ends one of them first.
func TestForwardMuch(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	p, client, server := setup(t)
	sent := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{}).Read(sent); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { // an echo server
		if _, err := io.Copy(server, server); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	running.Go(func() {
		if _, err := client.Write(sent); err != nil {
			t.Error(err)
		}
		if err := client.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	received, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(received, sent) {
		t.Errorf("received %d bytes, %v, want the %d bytes sent", len(received), err, size)
	}
	running.Wait()
	noSessions(t, p)
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "socket")
	b := listenUnix(t, name)
	client := dial(t, inFrontOf(t, name))
	server := b.next(t)
	send(t, client, "ping")
	receive(t, server, "ping")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	receiveEnd(t, server)
	send(t, server, "pong")
	receive(t, client, "pong")
}

func TestListenRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"", "hunter2", "hunter2:", "host:hunter2", "host:0", "host:65536", "host:-1", "relative/hunter2",
		"redis://:hunter2@host:6379", "postgres://hunter2/db",
	} {
		p, err := proxy.Listen(target)
		if err == nil {
			p.Close()
			t.Errorf("Listen(%q) = nil, want an error", target)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Listen(%q) = %v, which shows the target", target, err)
		}
	}
}

func TestTargetThatIsDown(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "socket")
	p := inFrontOf(t, missing)
	dialReset(t, p)

	p.Freeze(proxy.FromServer)
	client := dial(t, p)
	receiveNothing(t, client)
	p.Thaw(proxy.FromServer)
	receiveReset(t, client)

	b := listenUnix(t, missing)
	send(t, dial(t, p), "ping")
	receive(t, b.next(t), "ping")
}

func TestResetIsPassedOn(t *testing.T) {
	t.Parallel()
	t.Run("to the server", func(t *testing.T) {
		t.Parallel()
		p, client, server := setup(t)
		send(t, client, "last")
		receive(t, server, "last")
		if err := client.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		client.Close()
		receiveReset(t, server)
		noSessions(t, p)
	})
	t.Run("to the client", func(t *testing.T) {
		t.Parallel()
		p, client, server := setup(t)
		send(t, server, "last")
		receive(t, client, "last")
		if err := server.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		server.Close()
		receiveReset(t, client)
		noSessions(t, p)
	})
}

// TestServerLearnsThatNobodyReads: the client's end looks like that of one that
// still reads, until the proxy writes to it.
func TestServerLearnsThatNobodyReads(t *testing.T) {
	t.Parallel()
	p, client, server := setup(t)
	client.Close()
	receiveEnd(t, server)
	stream := strings.Repeat("x", 1<<20)
	deadlineToWrite(t, server)
	for {
		_, err := io.WriteString(server, stream)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server was not told")
		}
		if err != nil {
			break
		}
	}
	noSessions(t, p)
}

func TestClose(t *testing.T) {
	t.Parallel()
	p, client, server := setup(t)
	p.Freeze(proxy.Both)
	send(t, client, "held")
	var closing sync.WaitGroup
	for range 2 {
		closing.Go(p.Close)
	}
	closing.Wait()
	p.Close()
	receiveReset(t, client)
	receiveReset(t, server)
	if n := p.Sessions(); n != 0 {
		t.Errorf("%d sessions after Close, want 0", n)
	}
	if conn, err := net.Dial("tcp4", p.Addr()); err == nil {
		conn.Close()
		t.Error("a dial after Close succeeds")
	}
	for _, fault := range []func(){
		p.Cut, p.Refuse, p.Restore,
		func() { p.Freeze(proxy.Both) }, func() { p.Thaw(proxy.Both) }, func() { p.Delay(proxy.Both, 1) },
	} {
		fault()
	}
}

// TestRaceCloseAndAccept: no connection made while the proxy closes is left.
func TestRaceCloseAndAccept(t *testing.T) {
	t.Parallel()
	b := listen(t)
	for range 20 {
		p, err := proxy.Listen(b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var dialing sync.WaitGroup
		for range 4 {
			dialing.Go(func() {
				if conn, err := net.Dial("tcp4", p.Addr()); err == nil {
					conn.Close()
				}
			})
		}
		p.Close()
		dialing.Wait()
		if n := p.Sessions(); n != 0 {
			t.Errorf("%d sessions after Close, want 0", n)
		}
	}
}
