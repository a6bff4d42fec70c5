//go:build unix

package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"leadcache/cmd/demo/inbound"
)

// dialing is how many connections are made at a time: few, so that the server
// is not busier than when it is measured, and takes Redis for lost.
const dialing = 16

// A crowd is all customers of one server.
type crowd struct {
	customers []*customer
	record    record

	stop    chan struct{} // closed when no more texts are to be sent
	writing sync.WaitGroup
}

// gather opens all connections. The crowd is to be dispersed also if there is
// an error.
func gather(ctx context.Context, addr string, n int) (*crowd, error) {
	c := &crowd{stop: make(chan struct{})}
	for i := range n {
		c.customers = append(c.customers, newCustomer(i))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(dialing)
	for i, one := range c.customers {
		g.Go(func() error {
			if err := one.open(ctx, "ws://"+addr+inbound.SocketPath); err != nil {
				return fmt.Errorf("conversation %d: %w", i+1, err)
			}
			return nil
		})
	}
	return c, g.Wait()
}

// start lets all write, their texts spread over the time between two.
func (c *crowd) start(ctx context.Context, every time.Duration) {
	begin := time.Now()
	for i, one := range c.customers {
		first := begin.Add(every * time.Duration(i) / time.Duration(len(c.customers)))
		c.writing.Go(func() { one.write(ctx, c.stop, first, every, &c.record) })
	}
}

// rest returns when no text is under way any more.
func (c *crowd) rest() {
	close(c.stop)
	c.writing.Wait()
}

// disperse closes all connections.
func (c *crowd) disperse() {
	for _, one := range c.customers {
		one.close()
	}
}

// sent returns how many texts there were.
func (c *crowd) sent() (n int) {
	for _, one := range c.customers {
		n += one.sent
	}
	return n
}
