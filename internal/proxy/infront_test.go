//go:build unix

package proxy_test

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
)

func TestInFrontKeepsTheRest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"redis://127.0.0.1:1", "redis://PROXY"},
		{"redis://", "redis://PROXY"},
		{"redis://:p%40ss@[::1]:1/3?dial_timeout=1s", "redis://:p%40ss@PROXY/3?dial_timeout=1s"},
		{"rediss://user:pass@host", "rediss://user:pass@PROXY"},
		{"unix://user:pass@/run/redis.sock?db=3", "redis://user:pass@PROXY?db=3"},
		{"postgres://user:p%2Fss@host:1/leads?sslmode=disable", "postgres://user:p%2Fss@PROXY/leads?sslmode=disable"},
		{"postgresql://user@host/leads", "postgresql://user@PROXY/leads"},
		{"postgres://user@h/leads?host=/run/pg&port=1&sslmode=disable", "postgres://user@PROXY/leads?sslmode=disable"},
		{"postgres:///leads?host=db.example", "postgres://PROXY/leads"},
	} {
		p, got, err := proxy.InFront(test.url)
		if err != nil {
			t.Errorf("InFront(%q) = %v", test.url, err)
			continue
		}
		if want := strings.Replace(test.want, "PROXY", p.Addr(), 1); got != want {
			t.Errorf("InFront(%q) = %q, want %q", test.url, got, want)
		}
		p.Close()
	}
}

func TestInFrontFindsTheSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct{ name, url string }{
		{"redis.sock", "unix://" + dir + "/redis.sock"},
		{".s.PGSQL.5432", "postgres:///leads?host=" + url.QueryEscape(dir)},
		{".s.PGSQL.5433", "postgres://user@/leads?port=5433&host=" + url.QueryEscape(dir)},
	} {
		b := listenUnix(t, filepath.Join(dir, test.name))
		p, _, err := proxy.InFront(test.url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		send(t, dial(t, p), "ping")
		receive(t, b.next(t), "ping")
	}
}

func TestInFrontShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "hunter2", "hunter2:rest", "http://:hunter2@host:1", "redis://:hunter2@host:hunter2",
		"redis://:hunter2@host:0", "redis://:hunter2%zz@host:1", "redis://:hunter2@host:1\n",
		"redis://:hunter2@a:1?addr=b:2", "unix://:hunter2@relative", "postgres://u:hunter2@a,b/leads",
		"postgres://u:hunter2@a:1,b:2/leads", "postgres://u:hunter2@a/leads?host=b,c",
		"postgres://u:hunter2@a/leads?port=hunter2",
	} {
		p, got, err := proxy.InFront(raw)
		if err == nil {
			p.Close()
			t.Errorf("InFront(%q) = %q, want an error", raw, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("InFront(%q) = %v, which shows the URL", raw, err)
		}
	}
}

// TestRedis drives a real client through every fault.
func TestRedis(t *testing.T) {
	t.Parallel()
	srv := servertest.Redis(t, "--requirepass", "hunter2")
	p, through, err := proxy.InFront(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	option, err := rueidis.ParseURL(through)
	if err != nil {
		t.Fatal("the URL in front does not parse") // err could show its password
	}
	option.DisableCache = true
	option.ForceSingleClient = true
	option.PipelineMultiplex = -1 // no connection is new while the proxy is frozen
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	incr := func(ctx context.Context) (int64, error) {
		return client.Do(ctx, client.B().Incr().Key("n").Build()).ToInt64()
	}

	p.Delay(proxy.Both, time.Millisecond)
	commands := make(rueidis.Commands, 1000)
	for i := range commands {
		commands[i] = client.B().Incr().Key("n").Build()
	}
	for i, reply := range client.DoMulti(t.Context(), commands...) {
		if n, err := reply.ToInt64(); n != int64(i+1) || err != nil {
			t.Fatalf("INCR = %d, %v, want %d", n, err, i+1)
		}
	}

	p.Freeze(proxy.FromServer)
	replied := make(chan struct{})
	go func() {
		defer close(replied)
		if n, err := incr(t.Context()); n != 1001 || err != nil {
			t.Errorf("INCR = %d, %v, want 1001", n, err)
		}
	}()
	servertest.Eventually(t, patience, func() bool {
		n, err := srv.CLI("GET", "n")
		return n == "1001" && err == nil
	}, "the command to pass")
	select {
	case <-replied:
		t.Error("the reply passed too")
	case <-time.After(silence):
	}
	p.Thaw(proxy.FromServer)
	<-replied

	p.Refuse()
	p.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	if n, err := incr(ctx); err == nil {
		t.Errorf("INCR through a proxy that refuses = %d, want an error", n)
	}
	p.Restore()
	servertest.Eventually(t, patience, func() bool {
		_, err := incr(t.Context())
		return err == nil
	}, "the client to come back")
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	p, through, err := proxy.InFront(servertest.DatabaseURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	conn, err := pgx.Connect(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	const size = 4 << 20
	sent := strings.Repeat("x", size)
	var received string
	if err := conn.QueryRow(t.Context(), "select $1::text", sent).Scan(&received); err != nil {
		t.Fatal(err)
	}
	if received != sent {
		t.Errorf("received %d bytes, want the %d sent", len(received), size)
	}
	p.Cut()
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil || !conn.IsClosed() {
		t.Errorf("Exec on a connection that was cut = %v, want an error and the connection closed", err)
	}
}
