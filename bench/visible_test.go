package bench

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
	"leadcache/tiered"
)

// BenchmarkVisible measures how long after the writer's call another node that
// holds a value goes on serving the old one, while it is asked without a pause.
// What a bare PUBLISH needs until one who asks without a pause sees that it has
// arrived is beside it. Below zero, before the call had returned, counts as
// zero.
func BenchmarkVisible(b *testing.B) {
	b.Run("invalidate", visibleInvalidate)
	b.Run("publish", visiblePublish)
}

func visibleInvalidate(b *testing.B) {
	var version atomic.Int64
	load := tiered.LoaderFunc[string, int64](func(context.Context, string) (int64, error) { return version.Load(), nil })
	prefix := servertest.Prefix(b, servertest.RedisURL(b))
	writer, reader := node(b, prefix, load, tiered.Options{}), node(b, prefix, load, tiered.Options{})
	var late delays
	for b.Loop() {
		old, err := reader.Get(b.Context(), "k")
		if err != nil {
			b.Fatal(err)
		}
		seen := make(chan time.Time, 1)
		go func() {
			for {
				asked := time.Now()
				if v, err := reader.Get(b.Context(), "k"); v != old || err != nil {
					seen <- asked
					return
				}
			}
		}()
		version.Add(1)
		if err := writer.Invalidate(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
		returned := time.Now()
		late.add(<-seen, returned)
	}
	late.report(b)
}

func visiblePublish(b *testing.B) {
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
	sender, receiver := connect(), connect()
	channel := servertest.Prefix(b, servertest.RedisURL(b)) + "channel"
	var arrived atomic.Int64
	hooked, unhook := receiver.Dedicate()
	defer unhook()
	hooked.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) { arrived.Add(1) }})
	if err := hooked.Do(b.Context(), hooked.B().Subscribe().Channel(channel).Build()).Error(); err != nil {
		b.Fatal(err)
	}
	var late delays
	for b.Loop() {
		old := arrived.Load()
		seen := make(chan time.Time, 1)
		go func() {
			for {
				asked := time.Now()
				if arrived.Load() != old {
					seen <- asked
					return
				}
			}
		}()
		if err := sender.Do(b.Context(), sender.B().Publish().Channel(channel).Message("k").Build()).Error(); err != nil {
			b.Fatal(err)
		}
		returned := time.Now()
		late.add(<-seen, returned)
	}
	late.report(b)
}

// delays are what came after the call that it waited for.
type delays []time.Duration

func (d *delays) add(seen, returned time.Time) { *d = append(*d, max(0, seen.Sub(returned))) }

func (d delays) report(b *testing.B) {
	b.Helper()
	slices.Sort(d)
	at := func(share float64) float64 { return float64(d[int(share*float64(len(d)-1))].Nanoseconds()) / 1e3 }
	b.ReportMetric(at(0.5), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
	b.ReportMetric(0, "ns/op") // of the loop as a whole it says nothing
}
