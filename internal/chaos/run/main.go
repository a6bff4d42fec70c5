//go:build unix

// Command run is "make chaos": it breaks Redis, Postgres, the network and the
// nodes for a while and says whether every promise held.
//
// The exit status is 0 if all did, 1 if one did not, 2 if there is no verdict,
// and 130 after Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"leadcache/internal/chaos"
)

func main() {
	chaos.ServeNode()
	// Not SIGPIPE, which would come of every connection that a fault ends.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx)
	stop()
	os.Exit(status)
}

func run(ctx context.Context) int {
	c := chaos.Config{Stderr: os.Stderr}
	flag.DurationVar(&c.Duration, "duration", 30*time.Second, "how long faults happen")
	flag.Uint64Var(&c.Seed, "seed", 0, "of all that is random; 0 draws one")
	flag.IntVar(&c.Nodes, "nodes", 4, "node processes")
	flag.StringVar(&c.Plan, "plan", "", "which faults and which keys; by default all, or what is for the guard")
	flag.StringVar(&c.Break, "break", "", "switch a guard off: "+strings.Join(chaos.Guards, ", "))
	flag.Parse()
	if c.Seed == 0 {
		c.Seed = uint64(rand.Uint32())
	}
	fmt.Printf("seed=%d\n", c.Seed)
	result, err := chaos.Run(ctx, c)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "chaos: interrupted; all that was started is stopped")
		return 130
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 2
	}
	fmt.Println(result)
	if len(result.Violations) > 0 {
		result.Explain(os.Stdout)
		return 1
	}
	return 0
}
