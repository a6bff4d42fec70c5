//go:build unix

package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const postgresStartTimeout = 2 * time.Minute // usually 2 s, most of it initdb

// postgresScript makes the cluster on the first start and becomes postgres.
// Not every system has the locale C.UTF-8. What goes by the file, because
// everybody can read command lines, is not the password but its [secret], which
// initdb passes on as it is. An initdb that is interrupted must not clean up:
// the leash needs the pid file to find the shared memory.
const postgresScript = `
cluster() {
	"$0/initdb" -D "$PWD" -U postgres -A scram-sha-256 --pwfile ../password \
		-E UTF8 --locale "$1" --no-sync --no-clean --no-instructions
}
if [ ! -s PG_VERSION ]; then
	printf '%s\n' "$LEASH_SECRET" >../password
	cluster C.UTF-8 || cluster C || exit
	rm ../password
fi
exec "$0/postgres" -D "$PWD" "$@"
`

// postgresSettings make a cluster fast that need not survive a crash of the
// machine. It has to survive [Postgres.Kill], with every commit: hence no
// synchronous_commit=off, which would gain little without fsync. Connections use TCP alone, as a socket's path may be too long, and
// shared memory stays in the folder, where the leash removes it.
var postgresSettings = []string{
	"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
	"fsync=off", "full_page_writes=off",
	"wal_level=minimal", "max_wal_senders=0",
	"shared_buffers=32MB", "dynamic_shared_memory_type=mmap",
	"timezone=UTC", "log_checkpoints=off",
}

// Postgres is a private PostgreSQL server. Its methods may be called
// concurrently.
type Postgres struct {
	leash    *leash
	port     int
	password string
}

// StartPostgres makes an empty cluster, starts a server on it and returns when
// it answers a query. What is committed survives [Postgres.Kill], but not a
// crash of the machine. When this process runs as root, the
// server runs as the user postgres, or else nobody.
//
// It returns a [*MissingError] when postgres or initdb is missing, and an
// error when ctx ends first or when the server refuses to start. The end of
// ctx does not stop a server that has started: [Postgres.Stop] does, or the
// end of this process.
func StartPostgres(ctx context.Context) (*Postgres, error) {
	return startPostgres(ctx, freePort)
}

func startPostgres(ctx context.Context, port func() (int, error)) (*Postgres, error) {
	folder, err := findPostgres()
	if err != nil {
		return nil, err
	}
	for range portTries {
		var p *Postgres
		if p, err = newPostgres(folder, port); err != nil {
			break
		}
		if err = p.launch(ctx); err == nil {
			return p, nil
		}
		p.Stop()
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("postgres: %w", err)
}

func newPostgres(folder string, port func() (int, error)) (*Postgres, error) {
	n, err := port()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	args := []string{"/bin/sh", "-c", postgresScript, folder, "-p", strconv.Itoa(n)}
	for _, setting := range postgresSettings {
		args = append(args, "-c", setting)
	}
	password := rand.Text()
	kept, err := secret(password)
	if err != nil {
		return nil, err
	}
	l, err := newLeash(command{
		args: args,
		env:  []string{"LEASH_SECRET=" + kept},
		user: account,
		// A shell that waits for initdb obeys TERM; postgres would then wait
		// for its clients, but not after QUIT.
		signals: "TERM QUIT",
	})
	if err != nil {
		return nil, err
	}
	return &Postgres{leash: l, port: n, password: password}, nil
}

// unprivileged returns the account that postgres runs as when this process is
// root, as which it refuses to run; nil otherwise.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("postgres does not run as root, and there is no other user: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// launch starts the processes and waits until a query is answered. The random
// password makes sure that it is this server that answers.
func (p *Postgres) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, postgresStartTimeout)
	defer cancel()
	if _, err := p.leash.start(); err != nil {
		return err
	}
	return p.leash.await(ctx, p.query)
}

func (p *Postgres) query(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "select 1")
	return err
}

// Addr returns 127.0.0.1:port.
func (p *Postgres) Addr() string { return address(p.port) }

// URL returns the postgres:// URL of an empty database, with the name and the
// password of a superuser. It must not be logged.
func (p *Postgres) URL() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", p.password), Host: p.Addr(),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Dir returns the server's data folder. It lasts until Stop.
func (p *Postgres) Dir() string { return filepath.Join(p.leash.home, "data") }

// Stop ends the server without waiting for its clients and removes its folder.
// It returns when both are gone; further calls do nothing.
func (p *Postgres) Stop() { p.leash.stop() }

// Kill ends all processes of the server as SIGKILL does, keeps its folder and
// returns when they are gone. Kill, Pause and Resume do nothing to a server
// that does not run.
func (p *Postgres) Kill() { _ = p.leash.do("kill") }

// Pause stops all processes of the server as SIGSTOP does: connections stay
// open and are even accepted, but nothing is answered.
func (p *Postgres) Pause() { _ = p.leash.do("STOP") }

// Resume lets a paused server go on.
func (p *Postgres) Resume() { _ = p.leash.do("CONT") }

// Restart starts the server again on the same port and data and returns when
// it answers. A server that still runs is killed first. It fails when another
// process has taken the port.
func (p *Postgres) Restart(ctx context.Context) error {
	if err := p.launch(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}
