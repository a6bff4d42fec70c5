//go:build unix

package servertest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
)

// cleanupTimeout bounds what is done after a test, when t.Context has ended.
const cleanupTimeout = 30 * time.Second

// Schema creates an empty schema with a random name in the database that
// databaseURL names, and returns a URL whose connections use it. After the
// test the schema is dropped with everything in it.
func Schema(t testing.TB, databaseURL string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), databaseURL, "create schema "+name); err != nil {
		t.Fatalf("create a schema: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := execute(ctx, databaseURL, "drop schema "+name+" cascade"); err != nil {
			t.Errorf("drop the schema %s: %v", name, err)
		}
	})
	return withParameter(t, databaseURL, "search_path", name)
}

func execute(ctx context.Context, databaseURL, sql string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
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
	option, err := rueidis.ParseURL(redisURL)
	if err != nil {
		return errors.New("the URL does not parse") // err may hold its password
	}
	option.DisableCache = true // the servers that lack tracking will do
	client, err := rueidis.NewClient(option)
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
