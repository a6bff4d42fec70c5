//go:build unix

// Command run is "make churn": it keeps two nodes busy with everything that
// makes and ends entries, and says whether anything grows.
//
// The exit status is 0 if nothing does, 1 if something does or an answer was
// wrong, 2 if there is no verdict, and 130 after Ctrl-C.
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

	"leadcache/internal/churn"
)

func main() {
	// Not SIGPIPE, which would come of every connection that is killed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx)
	stop()
	os.Exit(status)
}

func run(ctx context.Context) int {
	var c churn.Config
	flag.DurationVar(&c.Duration, "duration", 10*time.Minute, "how long it goes on")
	flag.IntVar(&c.Entries, "entries", 10_000, "room in each local tier")
	flag.IntVar(&c.Keys, "keys", 100_000, "keys that are read at a time")
	flag.IntVar(&c.Readers, "readers", 4, "goroutines that read from each node")
	flag.Parse()
	result, err := churn.Run(ctx, c)
	if err == nil {
		err = result.Print(os.Stdout)
	}
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "churn: interrupted; all that was started is stopped")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "churn:", err)
		return 2
	case !result.Kept():
		return 1
	}
	return 0
}
