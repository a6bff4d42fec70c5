//go:build unix

package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"leadcache/internal/chaos/history"
	"leadcache/internal/pause"
	"leadcache/tiered"
)

// work starts readers and writers, which end with ctx.
func (n *node) work(ctx context.Context, wg *sync.WaitGroup) {
	for i := range n.Load.Readers {
		wg.Go(func() { n.repeat(ctx, i, n.Load.ReadPause, n.readOne) })
	}
	for i := range n.Load.Writers {
		wg.Go(func() { n.repeat(ctx, 100+i, n.Load.WritePause, n.writeOne) })
	}
	if n.Load.Leads {
		wg.Go(func() { n.askForLeads(ctx) })
	}
}

// repeat does one thing after the other with pauses of that length on average.
func (n *node) repeat(ctx context.Context, stream int, between time.Duration, do func(context.Context, *rand.Rand)) {
	random := rand.New(rand.NewPCG(n.Seed, uint64(n.ID)<<16|uint64(stream)))
	for pause.For(ctx, time.Duration(random.Int64N(2*int64(between)+1))) {
		do(ctx, random)
	}
}

func (n *node) readOne(ctx context.Context, random *rand.Rand) {
	key := n.Keys[random.IntN(len(n.Keys))]
	bound := n.MaxStale
	switch {
	case key.Family == Exact:
		bound = 0
		if random.IntN(4) > 0 { // each asks the database
			return
		}
	case random.IntN(20) == 0:
		bound = n.MaxStale / 3
	}
	n.read(ctx, key, bound)
}

// read reads one key and records the answer. A failure to answer is none.
func (n *node) read(ctx context.Context, key Key, bound time.Duration) {
	x := history.Read{Key: key.Name, Node: n.ID, Bound: bound, Start: Now()}
	v, err := n.get(ctx, key, bound)
	x.End = Now()
	switch {
	case errors.Is(err, tiered.ErrNotFound):
	case err != nil:
		if ctx.Err() == nil {
			n.report.failed()
		}
		return
	case v.Key != key.Name:
		x.Version = history.Garbage
	default:
		x.Version = v.Version
	}
	n.report.read(x)
}

func (n *node) get(ctx context.Context, key Key, bound time.Duration) (value, error) {
	if bound == n.MaxStale {
		return n.cache(key.Family).Get(ctx, key.Name)
	}
	return n.cache(key.Family).GetWithin(ctx, key.Name, bound)
}

// sweep reads every key once.
func (n *node) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, key := range n.Keys {
		if key.Family != Exact {
			n.read(ctx, key, n.MaxStale)
		}
	}
	return ctx.Err()
}

// writeOne commits a change and invalidates the key. It goes through with it
// after ctx has ended, as a careful writer does.
func (n *node) writeOne(ctx context.Context, random *rand.Rand) {
	key := n.Keys[random.IntN(len(n.Keys))]
	if key.Family == Foreign {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTime)
	defer cancel()
	x := history.Write{Key: key.Name, Node: n.ID, Start: Now()}
	committed := n.pool.QueryRow(ctx, "update chaos set version = version + 1 where key = $1 returning version", key.Name).Scan(&x.Version)
	x.Committed = Now()
	err := n.redis.Invalidate(ctx, n.target(key)) // even so: the commit may be what did not get through
	x.Returned = Now()
	if committed != nil {
		return
	}
	if err == nil {
		x.Acked = x.Returned
	} else {
		n.waits.add(x)
	}
	n.report.wrote(x)
}

func (n *node) target(key Key) tiered.Target {
	if key.Family == Tagged {
		return tiered.Tagged(tagOf(key.Name))
	}
	return n.cache(key.Family).Target(key.Name)
}

// leadEvery is how long all nodes ask for one lead before they go on to the
// next: long enough for all of them to be at it.
const leadEvery = 200 * time.Millisecond

// askForLeads asks for the lead of a phone number that the time tells, so that
// all nodes ask for the same one.
func (n *node) askForLeads(ctx context.Context) {
	for ctx.Err() == nil {
		now := time.Duration(Now())
		phone := fmt.Sprintf("1%010d", int64(now/leadEvery)%1e10)
		asked, cancel := context.WithTimeout(ctx, queryTime)
		lead, err := n.leads.FindOrCreateLead(asked, phone, "b0c1b1c1-0000-0000-0000-000000000001")
		cancel()
		if err == nil {
			n.report.lead(history.Lead{Phone: phone, Node: n.ID, ID: lead.ID})
		}
		pause.For(ctx, leadEvery/4-now%(leadEvery/4)) // all of them at the same moment
	}
}
