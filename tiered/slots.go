package tiered

import (
	"context"
	"slices"

	"github.com/redis/rueidis"
)

// Redis counts a connection that has subscribed among those whose output it
// bounds, at 32 MB by default or 8 MB for a minute on end, and cuts one that
// has more on the way. So there are no more than maxInFlight commands at a
// time, and no larger values: 13 MB together. (rueidis has room for 1,024
// commands, and who asks for more waits without regard for the context.)
const (
	maxInFlight = 128
	maxPayload  = 100 << 10
)

// reserve waits for room for one more command, until ctx ends.
func (l *link) reserve(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives up the room of a command that returned err; not if a reply to
// it may still come.
func (l *link) release(err error) {
	if !isAbandoned(err) {
		<-l.slots
		return
	}
	l.abandoned.Add(1)
	select {
	case l.stalled <- struct{}{}:
	default: // supervise knows
	}
}

// send sends commands and waits for their replies until ctx ends.
func (l *link) send(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	if err := l.reserve(ctx); err != nil {
		return slices.Repeat([]rueidis.RedisResult{rueidis.NewErrorResult(err)}, len(commands))
	}
	res := l.client.DoMulti(ctx, commands...)
	l.release(res[len(res)-1].NonRedisError())
	return res
}

// revive asks for a sign of life after commands were abandoned. Replies come in
// order: when this one is here, so are those of all that were sent before.
func (l *link) revive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	n := l.abandoned.Load()
	// Whatever it says, an answer is an answer.
	if err := l.client.Do(ctx, l.client.B().Ping().Build()).NonRedisError(); err != nil {
		return err
	}
	l.abandoned.Add(-n)
	for range n {
		<-l.slots
	}
	return nil
}
