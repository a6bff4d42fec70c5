//go:build unix

// Package node is one process of a chaos run: a node that reads and writes
// through the caches and tells its parent on standard output all that it saw.
package node

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"leadcache/internal/pause"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

const (
	settleTime = 30 * time.Second // for Redis to be used again after the faults
	pollEvery  = 3 * time.Millisecond
	queryTime  = 3 * time.Second // bounds a statement; a frozen database is given up
	poolSize   = 8
)

// A node is what the process works with.
type node struct {
	Config
	redis  *tiered.Redis
	pool   *pgxpool.Pool
	db     *pg.DB
	leads  *leadsvc.Service
	caches map[Family]*tiered.Cache[string, value]
	report *reporter
	waits  pendings
}

// Main is the whole life of a node process and returns its exit status.
func Main() int {
	// Ctrl-C is the parent's to obey: it closes standard input.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := run(os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return 1
	}
	return 0
}

func run(stdin io.Reader, stdout, stderr io.Writer) error {
	lines := bufio.NewReader(stdin)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no configuration on standard input: %w", err)
	}
	var c Config
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n, err := open(ctx, c, stderr)
	if err != nil {
		return err
	}
	defer n.close()
	n.report = newReporter(stdout)
	var reporting sync.WaitGroup
	defer reporting.Wait()
	defer cancel()
	reporting.Go(func() { n.report.run(ctx) })
	reporting.Go(func() { n.awaitDeliveries(ctx) })
	n.report.send(Message{Ready: true})
	n.obey(ctx, lines)
	return nil
}

func open(ctx context.Context, c Config, stderr io.Writer) (_ *node, err error) {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	n := &node{Config: c, caches: make(map[Family]*tiered.Cache[string, value])}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.redis, err = tiered.Dial(tiered.RedisOptions{ //nolint:contextcheck // the link lasts until it is closed
		URL: c.RedisURL, Prefix: c.Prefix, MaxStale: c.MaxStale, Logger: logger,
	}); err != nil {
		return nil, err
	}
	if n.pool, err = openPool(ctx, c.DatabaseURL); err != nil {
		return nil, err
	}
	if n.db, err = pg.Open(ctx, pg.Options{URL: c.DatabaseURL, MaxConns: poolSize, Logger: logger}); err != nil {
		return nil, err
	}
	if n.leads, err = leadsvc.New(n.redis, n.db, leadsvc.Config{Logger: logger}); err != nil {
		return nil, err
	}
	return n, n.openCaches()
}

func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's URL does not parse") // err would show it
	}
	cfg.MaxConns = poolSize
	cfg.ConnConfig.ConnectTimeout = queryTime
	return pgxpool.NewWithConfig(ctx, cfg)
}

func (n *node) close() {
	if n.leads != nil {
		n.leads.Close()
	}
	for _, c := range n.caches {
		c.Close()
	}
	if n.db != nil {
		n.db.Close()
	}
	if n.pool != nil {
		n.pool.Close()
	}
	if n.redis != nil {
		n.redis.Close()
	}
}

// obey fulfils orders until there are no more.
func (n *node) obey(ctx context.Context, orders *bufio.Reader) {
	busy, cancel := context.WithCancel(ctx)
	work := &sync.WaitGroup{}
	quiet := func() {
		cancel()
		work.Wait()
	}
	defer quiet()
	for {
		order, err := orders.ReadString('\n')
		if err != nil {
			return
		}
		order = strings.TrimSpace(order)
		done := Message{Done: order}
		switch order {
		case Start:
			n.work(busy, work)
		case Quiet:
			quiet()
		case Settle:
			err = n.settle(ctx)
		case Sweep:
			err = n.sweep(ctx)
		}
		if err != nil {
			done.Error = err.Error()
		}
		n.report.send(done)
	}
}

// settle waits until all that is pending has been delivered.
func (n *node) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		st := n.redis.Status()
		if st.Connected && st.Pending == 0 && n.waits.empty() {
			return nil
		}
		if !pause.For(ctx, pollEvery) {
			return fmt.Errorf("node %d after %v without faults: connected %t, %d pending: %w",
				n.ID, settleTime, st.Connected, st.Pending, cmp.Or(st.Err, ctx.Err()))
		}
	}
}
