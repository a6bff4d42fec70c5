package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// yardstickEvery is as often as the updater changes something.
const yardstickEvery = updateEvery

// yardstick measures, beside the updates, how long after its sender's call a
// bare PUBLISH is seen by another client of the same Redis, which looks for it
// as often as a watch looks for an update: what no cache can be faster than.
// Without Redis it does nothing.
func (t *traffic) yardstick(ctx context.Context, redisURL, channel string) {
	if redisURL == "" {
		return
	}
	if err := t.publishes(ctx, redisURL, channel); err != nil {
		t.failed(ctx, "bare PUBLISH", err)
	}
}

func (t *traffic) publishes(ctx context.Context, redisURL, channel string) error {
	option, err := rueidis.ParseURL(redisURL)
	if err != nil {
		return errors.New("the URL does not parse") // err may hold its password
	}
	option.DisableCache = true
	sender, err := rueidis.NewClient(option)
	if err != nil {
		return err
	}
	defer sender.Close()
	receiver, err := rueidis.NewClient(option)
	if err != nil {
		return err
	}
	defer receiver.Close()
	hooked, release := receiver.Dedicate()
	defer release()
	var arrived atomic.Int64
	hooked.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) { arrived.Add(1) }})
	if err := hooked.Do(ctx, hooked.B().Subscribe().Channel(channel).Build()).Error(); err != nil {
		return err
	}
	for t.pause(yardstickEvery) {
		sent := make(chan error, 1)
		var returned time.Time
		old := arrived.Load()
		go func() {
			err := sender.Do(ctx, sender.B().Publish().Channel(channel).Message("k").Build()).Error()
			returned = time.Now()
			if err != nil {
				arrived.Add(1) // nothing will
			}
			sent <- err
		}()
		seen := time.Now()
		for arrived.Load() == old && ctx.Err() == nil {
			rest()
			seen = time.Now()
		}
		if err := <-sent; err != nil {
			return err
		}
		t.ledger.published.add(max(0, seen.Sub(returned)))
	}
	return nil
}
