//go:build unix

package server_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
)

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	p := servertest.Postgres(t)
	conn := connect(t, p)
	want := map[string]string{
		"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off",
		"max_connections": "200", "server_encoding": "UTF8", "TimeZone": "UTC", "is_superuser": "on",
		"unix_socket_directories": "",
	}
	got := make(map[string]string)
	for name := range want {
		var value string
		if err := conn.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	var locale string
	const sql = "select datcollate from pg_database where datname = current_database()"
	if err := conn.QueryRow(t.Context(), sql).Scan(&locale); err != nil || (locale != "C.UTF-8" && locale != "C") {
		t.Errorf("locale %q, %v, want C.UTF-8", locale, err)
	}
}

func TestPostgresWantsThePassword(t *testing.T) {
	t.Parallel()
	p := servertest.Postgres(t)
	config, err := pgx.ParseConfig(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		conn.Close(t.Context())
		t.Error("connected with a wrong password")
	}
}

func TestPostgresPauseResume(t *testing.T) {
	t.Parallel()
	p := servertest.Postgres(t)
	conn := connect(t, p)
	p.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/5)
	defer cancel()
	if _, err := conn.Exec(ctx, "select 1"); err == nil {
		t.Error("a paused server answers on an open connection")
	}
	p.Resume()
	connect(t, p)
}

func TestPostgresKillRestart(t *testing.T) {
	t.Parallel()
	p := servertest.Postgres(t)
	if _, err := connect(t, p).Exec(t.Context(), "create table kept (n int)"); err != nil {
		t.Fatal(err)
	}
	// A busy backend does not notice by itself that the postmaster is gone.
	if err := spin(t.Context(), p.URL()); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if list := members(t, p.Dir()); len(list) > 0 {
		t.Errorf("%d processes left", len(list))
	}
	wantFree(t, p.Addr())
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, p).Exec(t.Context(), "select n from kept"); err != nil {
		t.Error(err)
	}
}

func TestPostgresStop(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*server.Postgres){
		"running": func(*server.Postgres) {},
		"paused":  (*server.Postgres).Pause,
		"killed":  (*server.Postgres).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := servertest.Postgres(t)
			family := members(t, p.Dir())
			connect(t, p) // a client does not hold up the end
			prepare(p)
			dir := p.Dir()
			p.Stop()
			if list := members(t, dir); len(list) > 0 || exists(dir) {
				t.Errorf("%d processes left, folder left: %t", len(list), exists(dir))
			}
			if segments := sharedMemoryOf(t, family); len(segments) > 0 {
				t.Errorf("shared memory left behind: %v", segments)
			}
			wantFree(t, p.Addr())
			p.Stop()
		})
	}
}

// Another process, here a Postgres, has taken the port.
func TestPostgresTakesAnotherPort(t *testing.T) {
	t.Parallel()
	other := servertest.Postgres(t)
	_, taken, _ := net.SplitHostPort(other.Addr())
	p, err := server.StartPostgresOn(t.Context(), firstly(t, taken))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if p.Addr() == other.Addr() {
		t.Errorf("both servers are at %s", p.Addr())
	}
	connect(t, p)
}

func connect(t *testing.T, p *server.Postgres) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // the server may be gone
	})
	return conn
}
