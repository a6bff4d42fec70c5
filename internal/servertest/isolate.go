//go:build unix

package servertest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
)

// cleanupTimeout bounds what is done after a test, when t.Context has ended.
const cleanupTimeout = 30 * time.Second

// Schema creates a schema with a random name in the database that databaseURL
// names, runs the scripts in it, in one transaction, and returns a URL whose
// connections use it. After the test the schema is dropped with everything in
// it.
func Schema(t testing.TB, databaseURL string, scripts ...string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	sql := "create schema " + name + "; set local search_path to " + name + ";\n" + strings.Join(scripts, ";\n")
	if err := schemas.execute(t.Context(), databaseURL, sql); err != nil {
		t.Fatalf("create a schema: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := schemas.execute(ctx, databaseURL, "drop schema "+name+" cascade"); err != nil {
			t.Errorf("drop the schema %s: %v", name, err)
		}
	})
	return withParameter(t, databaseURL, "search_path", name)
}

// An executor runs statements one after another on a connection that it keeps
// until it is told of another database. A new one would have to read all that
// making tables wants to know of the catalog.
type executor struct {
	mu   sync.Mutex
	url  string    // of the database that conn is to
	conn *pgx.Conn // nil before the first statement
}

var schemas executor

func (e *executor) execute(ctx context.Context, databaseURL, sql string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil || e.conn.IsClosed() || e.url != databaseURL {
		e.hangUp(ctx)
		conn, err := pgx.Connect(ctx, databaseURL)
		if err != nil {
			return err
		}
		e.url, e.conn = databaseURL, conn
	}
	_, err := e.conn.Exec(ctx, sql)
	return err
}

func (e *executor) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	e.hangUp(ctx)
}

func (e *executor) hangUp(ctx context.Context) {
	if e.conn != nil {
		e.conn.Close(ctx)
		e.conn = nil
	}
}

// Script returns the text of files of SQL, those of a pattern in the order of
// their names. What a migration does to undo itself is left out.
func Script(t testing.TB, patterns ...string) string {
	t.Helper()
	var script strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no file is called %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			up, _, _ := strings.Cut(string(text), "-- +goose Down")
			script.WriteString(up + "\n")
		}
	}
	return script.String()
}

// withParameter adds a run-time parameter to a connection string of either
// form, URL or "name=value …".
func withParameter(t testing.TB, databaseURL, name, value string) string {
	t.Helper()
	if !strings.Contains(databaseURL, "://") {
		return databaseURL + " " + name + "=" + value
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse") // err would show its password
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// Prefix returns a random prefix for the keys of this test in the Redis that
// redisURL names. After the test all keys that begin with it are removed.
func Prefix(t testing.TB, redisURL string) string {
	t.Helper()
	prefix := "test:" + strings.ToLower(rand.Text()) + ":"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := unlinkAll(ctx, redisURL, prefix); err != nil {
			t.Errorf("remove the keys under %s: %v", prefix, err)
		}
	})
	return prefix
}

// unlinkAll removes the keys that begin with prefix, which holds no character
// that is special in a pattern.
func unlinkAll(ctx context.Context, redisURL, prefix string) error {
	client, err := NewClient(redisURL)
	if err != nil {
		return err
	}
	defer client.Close()
	for cursor := uint64(0); ; {
		scan := client.B().Scan().Cursor(cursor).Match(prefix + "*").Count(1000).Build()
		found, err := client.Do(ctx, scan).AsScanEntry()
		if err != nil {
			return err
		}
		if len(found.Elements) > 0 {
			if err := client.Do(ctx, client.B().Unlink().Key(found.Elements...).Build()).Error(); err != nil {
				return err
			}
		}
		if cursor = found.Cursor; cursor == 0 {
			return nil
		}
	}
}

// NewClient returns a client for a few short commands of a test. The error holds no
// password.
//
// It is cheap: one as it is by default has a megabyte of buffers for each connection,
// which the race detector watches. And it tries nothing twice: a command that rueidis
// sends again, as its connection was lost, is used for another once that is answered,
// while the writer of the lost connection may still read it. Instead it reads its
// connection all the time, and so knows of the loss.
func NewClient(redisURL string) (rueidis.Client, error) {
	option, err := rueidis.ParseURL(redisURL)
	if err != nil {
		return nil, errors.New("the URL does not parse") // err may hold its password
	}
	option.DisableCache = true // the servers that lack tracking will do
	option.ForceSingleClient = true
	option.DisableRetry = true
	option.AlwaysPipelining = true
	option.ReadBufferEachConn, option.WriteBufferEachConn = 4<<10, 4<<10
	option.RingScaleEachConn = 4
	option.PipelineMultiplex = -1
	return rueidis.NewClient(option)
}
