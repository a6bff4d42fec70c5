// Command demo runs a fleet of servers for texts and phone calls on one Redis
// and one Postgres, sends them traffic, and tells what the two-tier cache did
// about it.
//
//	go run ./cmd/demo
//
// Each node is a process of its own. Customers reach all of them over
// WebSockets that several conversations share, by the webhook of Twilio and by
// that of ElevenLabs, each signed with secrets of this run; an updater changes
// leads on one node while every other node watches for the change. When the
// traffic ends, a table shows hits, loads and latencies, and every promise is
// checked against the database itself: the exit status is 0 only if all of
// them held.
//
// REDIS_URL and DATABASE_URL name the servers to use; without them the demo
// starts private ones. It works in a key prefix and a schema of its own and
// removes both at the end, also after Ctrl-C. REDIS_ENABLED=false runs without
// Redis.
//
// The files: main, config, servers and database set the stage; node, handlers,
// patch and watch are one node, and package inbound its doors to customers;
// fleet, wire and output start and stop them; traffic, conversation, burst,
// line, messages, calls, reads and updates are the customers, and endpoint and
// webhook how they knock; yardstick is what no cache can beat; ledger and tally
// are the account of it; checks, snapshot and compare judge; stats, report,
// table, layout and progress tell.
//
// If this process is killed with SIGKILL, its nodes and private servers end
// all the same. A given database then keeps the schema demo_…, and a given
// Redis the keys demo:…:*, until they expire.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// nodeCommand as the first argument makes this program one node of the fleet.
const nodeCommand = "node"

var errInterrupted = errors.New("interrupted")

func main() {
	if len(os.Args) > 1 && os.Args[1] == nodeCommand {
		os.Exit(nodeMain())
	}
	// SIGPIPE is caught too: "demo | head" must stop the servers it started.
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitStatus(err, os.Stderr))
}

// exitStatus tells of err on w and returns the status to exit with.
func exitStatus(err error, w io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "demo:", err)
	if errors.Is(err, errInterrupted) {
		return 130
	}
	return 1
}

// run does the whole job and returns nil only if every check held. It leaves
// nothing behind, whatever it returns. When ctx ends it stops in order and
// returns errInterrupted.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	c, err := parseConfig(args, getenv)
	if errors.Is(err, errHelp) {
		_, err = io.WriteString(stdout, usage)
		return err
	}
	if err != nil {
		return err
	}
	err = c.demo(ctx, stdout, stderr)
	if ctx.Err() != nil {
		// Whatever failed, failed because it was told to stop; only what
		// could not be stopped or removed is still of interest.
		if left, ok := errors.AsType[leftoverError](err); ok {
			return errors.Join(errInterrupted, left)
		}
		fmt.Fprintln(stdout, "\nstopped in order; keys, schema and processes are gone")
		return errInterrupted
	}
	if err == nil {
		fmt.Fprintln(stdout, "\nevery check held; keys, schema and processes are gone")
	}
	return err
}

// demo starts all that is needed, outermost first, and stops it in reverse.
func (c config) demo(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if c.databaseURL == "" || c.redisEnabled && c.redisURL == "" {
		fmt.Fprintln(stdout, "starting private servers …")
	}
	places, err := openPlaces(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, places.close(ctx)) }()

	store, err := openStore(ctx, places.databaseURL, places.schema, warnings(stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close(ctx)) }()
	organizations, err := store.seed(ctx)
	if err != nil {
		return err
	}
	printHead(stdout, c, places)
	c.redisURL, c.channel = places.redisURL, places.prefix+"yardstick"

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fleet, err := startFleet(ctx, c.nodes, places.nodeConfig(c), stderr, cancel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.stop(ctx)) }()

	r, err := measure(ctx, c, fleet, newLedger(organizations), store, stdout)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	printTable(stdout, r)
	return errors.Join(r.save(c.report), r.failure())
}

// measure sends the traffic, waits for its end and checks what came of it.
func measure(ctx context.Context, c config, f *fleet, l *ledger, s *store, stdout io.Writer) (*report, error) {
	started := time.Now()
	stopProgress := showProgress(ctx, c.duration, f, l, stdout)
	runTraffic(ctx, c, f, l)
	stopProgress()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	took := time.Since(started)
	stats, err := f.stats(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stdout, "checking every answer of every node against the database …\n\n")
	checks, err := runChecks(ctx, f, l, s)
	if err != nil {
		return nil, fmt.Errorf("checks: %w", err)
	}
	return newReport(c, took, l, stats, checks), nil
}

// failure returns an error that names the checks that did not hold, or nil.
func (r *report) failure() error {
	var failed []string
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c.Name)
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("FAILED: %s", strings.Join(failed, "; "))
}
