package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/pg"
	"leadcache/tiered"
)

const usage = `demo runs a fleet of servers for texts and calls and checks their two-tier cache.

  -nodes N           processes in the fleet, 1 to 16 (default 3)
  -duration D        how long the traffic lasts, 1s to 1h (default 15s)
  -conversations N   conversations at a time, 1 to 5000 (default 300)
  -report FILE       write the results as JSON too

  REDIS_URL          redis:// or rediss://; without it a private server is started
  REDIS_ENABLED      false runs without Redis
  DATABASE_URL       postgres://; without it a private server is started

The exit status is 0 if every check held, 130 after Ctrl-C, 1 otherwise.
`

var errHelp = errors.New("help wanted")

// config is what the command line and the environment say.
type config struct {
	nodes         int
	duration      time.Duration
	conversations int
	report        string // file name, or empty

	redisEnabled bool
	redisURL     string // empty: start a private server
	channel      string // for a bare PUBLISH, known when there is a server
	databaseURL  string // empty: start a private server
}

func parseConfig(args []string, getenv func(string) string) (config, error) {
	var c config
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	flags.IntVar(&c.nodes, "nodes", 3, "")
	flags.DurationVar(&c.duration, "duration", 15*time.Second, "")
	flags.IntVar(&c.conversations, "conversations", 300, "")
	flags.StringVar(&c.report, "report", "", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c, errHelp
	case err != nil:
		return c, err
	case flags.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q, only flags are understood (-h lists them)", flags.Arg(0))
	}
	c.redisEnabled, err = enabled(getenv("REDIS_ENABLED"))
	if c.redisEnabled {
		c.redisURL = getenv("REDIS_URL")
	}
	c.databaseURL = getenv("DATABASE_URL")
	return c, errors.Join(err,
		within("-nodes", c.nodes, 1, 16),
		within("-duration", c.duration, time.Second, time.Hour),
		within("-conversations", c.conversations, 1, 5000),
		writable(c.report),
		valid("REDIS_URL", c.redisURL, tiered.RedisOptions{URL: c.redisURL}.Validate),
		valid("DATABASE_URL", c.databaseURL, pg.Options{URL: c.databaseURL}.Validate),
	)
}

func enabled(v string) (bool, error) {
	if v == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("REDIS_ENABLED is %q, want true or false", v)
	}
	return on, nil
}

func within[T int | time.Duration](name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %v, want %v to %v", name, v, low, high)
	}
	return nil
}

// writable finds a misspelt folder before the traffic rather than after it.
func writable(file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("-report %s is a folder, want a file", file)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	return nil
}

// valid names the variable of a URL that is wrong. The error tells nothing of
// the value, which may hold a password.
func valid(variable, url string, validate func() error) error {
	if url == "" {
		return nil
	}
	if err := validate(); err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	return nil
}

// redisPlace returns where the Redis of a valid URL is, without any secret.
func redisPlace(v string) string {
	u, err := url.Parse(v)
	if err != nil {
		return "unknown"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// databasePlace returns where the database of a valid URL or connection
// string is, without any secret.
func databasePlace(v string) string {
	c, err := pgx.ParseConfig(v)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("postgres://%s:%d/%s", c.Host, c.Port, c.Database)
}
