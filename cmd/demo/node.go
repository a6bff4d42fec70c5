package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"leadcache/cmd/demo/inbound"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

const (
	connectTime = 5 * time.Second // to wait for Redis before serving
	drainTime   = 5 * time.Second // to finish what is under way; then connections are cut
)

// nodeMain is the whole life of one node process and returns its exit status.
// It ends when standard input does, so that no node outlives its parent, and
// on SIGTERM or SIGINT.
func nodeMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runNode(ctx, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runNode reads a nodeConfig from stdin, serves, and announces itself on
// stdout. It drains when ctx or stdin ends, or when a connection of its own
// cannot be made.
func runNode(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	lines := bufio.NewReader(stdin)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no configuration on standard input: %w", err)
	}
	var c nodeConfig
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, lines) // whatever ends it, ends the node
		cancel()
	}()

	n, err := openNode(ctx, c, warnings(stderr))
	if err != nil {
		return err
	}
	defer n.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a := announcement{Addr: listener.Addr().String(), Redis: n.awaitRedis(ctx)}
	if err := json.NewEncoder(stdout).Encode(a); err != nil {
		return errors.Join(err, listener.Close())
	}
	return n.serve(ctx, listener)
}

// warnings returns a logger of warnings and errors.
func warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// A node is one server of the fleet. Its methods are plain HTTP handlers.
type node struct {
	redis   *tiered.Redis
	db      *pg.DB
	service *leadsvc.Service
	logger  *slog.Logger
	inbound *inbound.Handler
	watched watchCounters

	lastWarning atomic.Int64 // wall clock in nanoseconds
}

// warn logs what failed, at most once a second: a database that is down fails
// every request.
func (n *node) warn(text string, args ...any) {
	now, last := time.Now().UnixNano(), n.lastWarning.Load()
	if now-last >= int64(time.Second) && n.lastWarning.CompareAndSwap(last, now) {
		n.logger.Warn(text, args...)
	}
}

// openNode connects to everything. Redis may be down.
func openNode(ctx context.Context, c nodeConfig, logger *slog.Logger) (_ *node, err error) {
	n := &node{logger: logger}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	//nolint:contextcheck // the link lasts until it is closed, not until ctx ends
	n.redis, err = tiered.Dial(tiered.RedisOptions{
		URL: c.RedisURL, Prefix: c.Prefix, Disabled: !c.RedisEnabled, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	if n.db, err = pg.Open(ctx, pg.Options{URL: c.DatabaseURL, Logger: logger}); err != nil {
		return nil, err
	}
	if n.service, err = leadsvc.New(n.redis, n.db, leadsvc.Config{Logger: logger}); err != nil {
		return nil, err
	}
	n.inbound, err = inbound.New(inbound.Options{
		Service: n.service, Logger: logger,
		ElevenLabsSecret: c.Secrets.ElevenLabs, ElevenLabsToken: c.Secrets.ElevenLabsToken,
		TwilioToken: c.Secrets.Twilio, SocketToken: c.Secrets.Socket,
	})
	return n, err
}

// close is for a node that no longer serves.
func (n *node) close() {
	if n.service != nil {
		n.service.Close()
	}
	if n.db != nil {
		n.db.Close()
	}
	if n.redis != nil {
		n.redis.Close()
	}
}

// awaitRedis waits until Redis is connected, so that the traffic is measured
// with it. It returns why not, if that takes too long.
func (n *node) awaitRedis(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		status := n.redis.Status()
		if status.Connected || !status.Enabled {
			return ""
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if status.Err != nil {
				return status.Err.Error()
			}
			return "no answer"
		}
	}
}

// serve answers on listener until ctx ends, and then finishes what is under
// way.
func (n *node) serve(ctx context.Context, listener net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           n.routes(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second, // above requestTime, watchTime and those of package inbound
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(n.logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	defer context.AfterFunc(limited, cut)()
	drained := make(chan error, 1)
	go func() { drained <- n.inbound.Drain(limited) }() // WebSockets are none of Shutdown's business
	err = errors.Join(err, server.Shutdown(limited), <-drained)
	return errors.Join(err, server.Close())
}

// routes is what a node serves.
func (n *node) routes() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{inbound.CallPath, inbound.SMSPath, inbound.SocketPath} {
		mux.Handle(path, n.inbound)
	}
	mux.HandleFunc("GET /lead", n.getLead)
	mux.HandleFunc("PATCH /leads/{id}", n.patchLead)
	mux.HandleFunc("GET /organization", n.getOrganization)
	mux.HandleFunc("GET /conversations", n.getConversations)
	mux.HandleFunc("GET /watch", n.watchLead)
	mux.HandleFunc("GET /stats", n.getStats)
	return mux
}
