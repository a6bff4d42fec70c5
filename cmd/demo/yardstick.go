package main

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// yardstickEvery is as often as the updater changes something.
const yardstickEvery = updateEvery

// yardstick measures, beside the updates, how long after its sender's call a
// bare PUBLISH arrives at another client of the same Redis: what no cache can
// be faster than. Without Redis it does nothing.
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
	arrived := make(chan time.Time, 1)
	hooked.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) { arrived <- time.Now() }})
	if err := hooked.Do(ctx, hooked.B().Subscribe().Channel(channel).Build()).Error(); err != nil {
		return err
	}
	for t.pause(yardstickEvery) {
		if err := sender.Do(ctx, sender.B().Publish().Channel(channel).Message("k").Build()).Error(); err != nil {
			return err
		}
		returned := time.Now()
		select {
		case at := <-arrived:
			t.ledger.published.add(max(0, at.Sub(returned)))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
