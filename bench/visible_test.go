package bench

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
	"leadcache/tiered"
)

// BenchmarkVisible measures how long after the writer's call another node that
// holds a value goes on serving the old one, while it is asked without a pause;
// and, in turns with that, so that whatever disturbs one disturbs the other, how
// long after a bare PUBLISH one who asks without a pause sees that it has
// arrived. Below zero, before the call had returned, counts as zero.
func BenchmarkVisible(b *testing.B) {
	change, message := newChange(b), newMessage(b)
	var invalidate, publish delays
	for b.Loop() {
		invalidate.add(change.send, change.seen())
		publish.add(message.send, message.seen())
	}
	invalidate.report(b, "invalidate")
	publish.report(b, "publish")
	b.ReportMetric(0, "ns/op") // of the loop as a whole it says nothing
}

// A change is that of a value in the source, and its invalidation.
type change struct {
	b              *testing.B
	version        atomic.Int64
	writer, reader *tiered.Cache[string, int64]
}

func newChange(b *testing.B) *change {
	b.Helper()
	c := &change{b: b}
	load := tiered.LoaderFunc[string, int64](func(context.Context, string) (int64, error) { return c.version.Load(), nil })
	prefix := servertest.Prefix(b, servertest.RedisURL(b))
	c.writer, c.reader = node(b, prefix, load, tiered.Options{}), node(b, prefix, load, tiered.Options{})
	return c
}

func (c *change) send() {
	c.version.Add(1)
	if err := c.writer.Invalidate(c.b.Context(), "k"); err != nil {
		c.b.Fatal(err)
	}
}

// seen puts the value into the reader's local tier, and returns a question:
// has it changed?
func (c *change) seen() func() bool {
	old, err := c.reader.Get(c.b.Context(), "k")
	if err != nil {
		c.b.Fatal(err)
	}
	return func() bool {
		v, err := c.reader.Get(c.b.Context(), "k")
		return v != old || err != nil
	}
}

// A message goes through a bare PUBLISH.
type message struct {
	b       *testing.B
	sender  rueidis.Client
	channel string
	arrived atomic.Int64
}

func newMessage(b *testing.B) *message {
	b.Helper()
	option, err := rueidis.ParseURL(servertest.RedisURL(b))
	if err != nil {
		b.Fatal("the Redis URL does not parse")
	}
	option.DisableCache, option.AlwaysPipelining = true, true
	connect := func() rueidis.Client {
		client, err := rueidis.NewClient(option)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(client.Close)
		return client
	}
	m := &message{b: b, sender: connect(), channel: servertest.Prefix(b, servertest.RedisURL(b)) + "channel"}
	hooked, unhook := connect().Dedicate()
	b.Cleanup(unhook)
	hooked.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) { m.arrived.Add(1) }})
	if err := hooked.Do(b.Context(), hooked.B().Subscribe().Channel(m.channel).Build()).Error(); err != nil {
		b.Fatal(err)
	}
	return m
}

func (m *message) send() {
	if err := m.sender.Do(m.b.Context(), m.sender.B().Publish().Channel(m.channel).Message("k").Build()).Error(); err != nil {
		m.b.Fatal(err)
	}
}

func (m *message) seen() func() bool {
	old := m.arrived.Load()
	return func() bool { return m.arrived.Load() != old }
}

// delays are those of one kind.
type delays []time.Duration

// add calls send while another goroutine asks whether it has been seen, and
// counts until the first question that was answered with yes was asked.
func (d *delays) add(send func(), seen func() bool) {
	first := make(chan time.Time, 1)
	go func() {
		for {
			asked := time.Now()
			if seen() {
				first <- asked
				return
			}
		}
	}()
	send()
	returned := time.Now()
	*d = append(*d, max(0, (<-first).Sub(returned)))
}

func (d delays) report(b *testing.B, what string) {
	b.Helper()
	slices.Sort(d)
	for _, percent := range []int{50, 99} {
		at := d[percent*(len(d)-1)/100]
		b.ReportMetric(float64(at.Nanoseconds())/1e3, fmt.Sprintf("%s-p%d-µs", what, percent))
	}
}
