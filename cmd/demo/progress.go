package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// showProgress tells on w how the traffic goes, until the returned function is
// called: on a terminal in one line that is written over and over, elsewhere
// in a new line now and then.
func showProgress(ctx context.Context, duration time.Duration, f *fleet, l *ledger, w io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	p := progress{fleet: f, ledger: l, w: w, started: time.Now(), duration: duration}
	every := 3 * time.Second
	if p.terminal = isTerminal(w); p.terminal {
		every = 500 * time.Millisecond
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.show(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if p.terminal {
			fmt.Fprint(w, eraseLine)
		}
	}
}

const eraseLine = "\r\x1b[K"

// A progress belongs to one goroutine.
type progress struct {
	fleet    *fleet
	ledger   *ledger
	w        io.Writer
	terminal bool
	started  time.Time
	duration time.Duration

	lastAt       time.Duration
	lastRequests int
}

func (p *progress) show(ctx context.Context) {
	stats, err := p.fleet.stats(ctx)
	if err != nil {
		return // the traffic itself tells what is wrong
	}
	_, total, _ := sumKeyspaces(stats)
	t := p.ledger.tally()
	now := time.Since(p.started)
	perSecond := float64(t.requestCount()-p.lastRequests) / (now - p.lastAt).Seconds()
	p.lastAt, p.lastRequests = now, t.requestCount()
	line := fmt.Sprintf("%4.0fs of %v  %8s requests  %7s/s  %s errors  hit rate %s",
		now.Seconds(), p.duration, count(t.requestCount()), count(int(perSecond)), count(t.errorCount()), percent(total.HitRate))
	if p.terminal {
		fmt.Fprint(p.w, eraseLine+line)
	} else {
		fmt.Fprintln(p.w, line)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
