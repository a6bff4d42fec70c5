package main

import (
	"context"
	"sync"
	"time"
)

const burstEvery = 400 * time.Millisecond

// bursts now and then let someone new reach every node in the same instant,
// by text on one, by webhook on the next and by phone on the third: the nodes
// must agree on one lead.
func (t *traffic) bursts(ctx context.Context) {
	for n := 0; t.pause(burstEvery); n++ {
		t.burst(ctx, n)
	}
}

func (t *traffic) burst(ctx context.Context, first int) {
	from, to := t.stranger()
	var reach []func()
	for i, n := range t.fleet.nodes {
		if !t.readAbsent(ctx, n, from) {
			return
		}
		switch (first + i) % 3 {
		case 0:
			line, err := t.dial(ctx, n)
			if err != nil {
				t.failed(ctx, "connect", err)
				return
			}
			defer line.close()
			reach = append(reach, func() { t.text(ctx, line, from, to) })
		case 1:
			reach = append(reach, func() { t.textByWebhook(ctx, n, from, to) })
		default:
			reach = append(reach, func() { t.phone(ctx, n, from, to) })
		}
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, f := range reach {
		wg.Go(func() {
			<-start
			f()
		})
	}
	close(start)
	wg.Wait()
	for _, n := range t.fleet.nodes {
		t.read(ctx, n, from)
	}
}
