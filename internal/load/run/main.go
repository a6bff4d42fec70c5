//go:build unix

// Command run is "make load": it holds very many conversations with a server,
// without the cache and with it, and prints what one of them costs.
//
// The exit status is 0 if all checks passed, 1 if one did not, 2 if there is no
// verdict, because the machine is too slow or allows too few open files or for
// another reason, and 130 after Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"leadcache/internal/load"
)

func main() {
	load.ServeTexts()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx)
	stop()
	os.Exit(status)
}

func run(ctx context.Context) int {
	c := load.Config{Stderr: os.Stderr}
	flag.IntVar(&c.Conversations, "conversations", 10_000, "conversations, each on a connection of its own")
	flag.DurationVar(&c.Every, "every", 20*time.Second, "time between two texts of a conversation")
	flag.DurationVar(&c.Duration, "duration", 20*time.Second, "how long is measured")
	flag.StringVar(&c.Profiles, "profiles", "", "existing folder to keep the server's profiles in")
	flag.Parse()
	result, err := load.Run(ctx, c)
	if err == nil {
		fmt.Printf("%s %s/%s, %d processors\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
		err = result.Print(os.Stdout)
	}
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "load: interrupted; all that was started is stopped")
		return 130
	case err != nil:
		fmt.Fprintln(os.Stderr, "load:", err)
		return 2
	}
	return map[load.Verdict]int{load.Kept: 0, load.FallsShort: 1, load.Unclear: 2}[result.Verdict()]
}
