package tiered

import (
	"context"
	"slices"
	"time"

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

// reserve waits for room for one more command, until ctx ends or l is closed. On
// a line that is late nobody waits.
func (l *link) reserve(ctx context.Context) error {
	if l.late.now() {
		return errLate
	}
	if ctx.Err() == nil { // else room says so
		select {
		case l.slots <- struct{}{}: // as most of the time
			l.line.traffic.add()
			return nil
		default:
		}
	}
	return l.room(ctx, l.late.begins())
}

// queue is reserve for commands that no caller waits for: they are sent on a
// late line too, behind what that has yet to do.
func (l *link) queue(ctx context.Context) error { return l.room(ctx, nil) }

func (l *link) room(ctx context.Context, late <-chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.slots <- struct{}{}:
		l.line.traffic.add()
		return nil
	case <-late:
		return errLate
	case <-l.closed:
		return errBroken
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives up the room of a command that returned err; not if a reply to
// it may still come. ctx is what bounded the wait for it.
func (l *link) release(ctx context.Context, err error) {
	switch {
	case !isAbandoned(err):
		<-l.slots
		return
	case timedOut(ctx):
		l.late.begin()
	}
	l.abandoned.Add(1)
	l.ask()
}

// send sends commands and waits for their replies until ctx ends; before that,
// enter, which is reserve or queue, finds room for them. Those of the journal,
// one after another, need none (nil): supervise sends them, and were it to wait
// for room, nobody would revive the line and make some.
func (l *link) send(ctx context.Context, enter func(context.Context) error, commands ...rueidis.Completed) []rueidis.RedisResult {
	if enter == nil {
		return l.client.DoMulti(ctx, commands...)
	}
	if err := enter(ctx); err != nil {
		return slices.Repeat([]rueidis.RedisResult{rueidis.NewErrorResult(err)}, len(commands))
	}
	res := l.client.DoMulti(ctx, commands...)
	l.release(ctx, res[len(res)-1].NonRedisError())
	return res
}

// sendOne is send for one command.
func (l *link) sendOne(ctx context.Context, enter func(context.Context) error, command rueidis.Completed) rueidis.RedisResult {
	if enter == nil {
		return l.client.Do(ctx, command)
	}
	if err := enter(ctx); err != nil {
		return rueidis.NewErrorResult(err)
	}
	res := l.client.Do(ctx, command)
	l.release(ctx, res.NonRedisError())
	return res
}

// revive asks for a sign of life after commands were abandoned, or the line was
// late. Replies come in order: when this one is here, so are those of all that
// were sent before. The line is late no longer if this one was not.
func (l *link) revive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	n, asked := l.abandoned.Load(), time.Now()
	// Whatever it says, an answer is an answer.
	if err := l.client.Do(ctx, l.client.B().Ping().Build()).NonRedisError(); err != nil {
		return err
	}
	l.abandoned.Add(-n)
	for range n {
		<-l.slots
	}
	if time.Since(asked) > l.redis.opts.Timeout {
		l.ask() // it lives, but nobody waits for so long
		return nil
	}
	l.late.end()
	return nil
}
