//go:build unix

// Command run is "make outage": it takes Redis away in every way in turn, from
// nodes that are read at full speed, prints what the readers saw, and says
// which promises were kept.
//
// The exit status is 0 if all were, 1 if one falls short, 2 if there is no
// verdict, because the machine is too busy or for another reason, and 130
// after Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"leadcache/internal/outage"
)

func main() {
	// Not SIGPIPE, which would come of every connection that a fault ends.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx)
	stop()
	os.Exit(status)
}

func run(ctx context.Context) int {
	var c outage.Config
	flag.IntVar(&c.Nodes, "nodes", 3, "nodes, all in this process")
	flag.IntVar(&c.Readers, "readers", 64, "goroutines that read")
	flag.IntVar(&c.Keys, "keys", 1000, "keys that are read")
	flag.DurationVar(&c.Phase, "phase", 5*time.Second, "how long each phase lasts")
	flag.DurationVar(&c.MaxStale, "max-stale", time.Second, "MaxStale of the nodes")
	flag.DurationVar(&c.Timeout, "timeout", 50*time.Millisecond, "how long the nodes wait for Redis")
	flag.DurationVar(&c.Limit, "limit", 50*time.Millisecond, "how long they may")
	flag.Parse()
	result, err := outage.Run(ctx, c)
	if err == nil {
		err = result.Print(os.Stdout)
	}
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "outage: interrupted; all that was started is stopped")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "outage:", err)
		return 2
	}
	return map[outage.Verdict]int{outage.Kept: 0, outage.FallsShort: 1, outage.Unclear: 2}[result.Verdict()]
}
