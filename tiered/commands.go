package tiered

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// What follows makes a link a [remote].

func (l *link) read(ctx context.Context, at place) (held []byte, left time.Duration, err error) {
	count, err := l.breaker.enter()
	if err != nil {
		return nil, 0, err
	}
	began := l.redis.clock.now()
	switch {
	case at.tag != "":
		held, left, err = l.readTagged(ctx, at)
	case at.plain:
		held, left, err = l.readPlain(ctx, at)
	default:
		held, err = l.get(ctx, at.key)
	}
	l.breaker.leave(ctx, count, err)
	if !isUnasked(err) {
		l.redis.latency.observe(time.Duration(l.redis.clock.now() - began))
	}
	return held, left, err
}

// get reads a key on the second connection, if it may, or else on the first together
// with others.
func (l *link) get(ctx context.Context, key string) ([]byte, error) {
	if l.mayRead(ctx) {
		r, err := l.readHere(ctx, "GET", key)
		if err != nil {
			return nil, err
		}
		return r.bytesOrNil()
	}
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.bytesOrNil(l.sendOne(ctx, l.reserve, l.command("GET", key)))
}

// mayRead takes the turn on the second connection, if nobody has it and nothing is
// under way on the first. On a late line nobody waits.
func (l *link) mayRead(ctx context.Context) bool {
	return l.reads != nil && len(l.slots) == 0 && !l.late.now() && ctx.Err() == nil && l.reads.tryTake()
}

// readHere sends a command on the second connection, for one who has the turn there.
func (l *link) readHere(ctx context.Context, words ...string) (reply2, error) {
	r, err := l.reads.do(ctx, l.redis.opts.Timeout, words...)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		l.overdue()
	}
	return r, err
}

// command makes one of words. The builders of rueidis that know which word is the
// key hash it, to find its node in a cluster.
func (l *link) command(words ...string) rueidis.Completed {
	return l.client.B().Arbitrary(words[0]).Args(words[1:]...).Build()
}

func (l *link) readPlain(ctx context.Context, at place) ([]byte, time.Duration, error) {
	asked := time.Now()
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.plainReply(l.send(ctx, l.reserve, l.command("GET", at.key), l.command("PTTL", at.key)), asked)
}

// plainReply reads the replies to GET and PTTL, sent since asked.
func (l *link) plainReply(res []rueidis.RedisResult, asked time.Time) ([]byte, time.Duration, error) {
	held, err := l.bytesOrNil(res[0])
	if err != nil || held == nil {
		return nil, 0, err
	}
	ms, err := res[1].AsInt64()
	if err != nil {
		return nil, 0, l.checked(err)
	}
	return held, lifetime(ms, asked), nil
}

func (l *link) readTagged(ctx context.Context, at place) ([]byte, time.Duration, error) {
	asked := time.Now()
	return l.taggedReply(l.script(ctx, taggedReadScript, at.keys(), at.mode()), asked)
}

// taggedReply reads the reply to taggedReadScript, sent since asked.
func (l *link) taggedReply(res rueidis.RedisResult, asked time.Time) ([]byte, time.Duration, error) {
	pair, err := res.ToArray()
	switch {
	case rueidis.IsRedisNil(err):
		return nil, 0, nil
	case err != nil:
		return nil, 0, l.checked(err)
	case len(pair) != 2:
		return nil, 0, errReply
	}
	held, err := pair[0].AsBytes()
	if err != nil {
		return nil, 0, l.checked(err)
	}
	ms, err := pair[1].AsInt64()
	if err != nil {
		return nil, 0, l.checked(err)
	}
	return notNil(held), lifetime(ms, asked), nil
}

// lifetime returns what the reply to PTTL means now: Redis counted at some time
// since asked.
func lifetime(ms int64, asked time.Time) time.Duration {
	switch {
	case ms == -2:
		return 0 // it has ended meanwhile
	case ms < 0 || ms > forever.Milliseconds():
		return forever
	}
	return time.Duration(ms)*time.Millisecond - time.Since(asked)
}

func (l *link) lease(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	return l.counted(ctx, func() (bool, error) {
		if old == nil && at.tag == "" {
			ctx, cancel := l.deadline(ctx)
			defer cancel()
			return l.wasSet(l.sendOne(ctx, l.reserve, l.command(firstLease(at, value, ttl)...)))
		}
		s, args := at.leaseScript(old, value, ttl)
		return l.isDone(l.script(ctx, s, at.keys(), args...))
	})
}

// firstLease is the command that places a lease where there is nothing.
func firstLease(at place, value []byte, ttl time.Duration) []string {
	return []string{"SET", at.key, rueidis.BinaryString(value), "NX", "PX", milliseconds(ttl)}
}

// leaseScript is the script that places a lease, if it takes one.
func (at place) leaseScript(old, value []byte, ttl time.Duration) (s script, args []string) {
	switch {
	case old == nil:
		return taggedFirstLeaseScript, []string{rueidis.BinaryString(value), milliseconds(ttl), at.mode()}
	case at.tag != "":
		s = taggedSwapScript
	default:
		s = leaseScript
	}
	return s, fenceArgs(old, value, ttl)
}

func (l *link) fill(ctx context.Context, at place, lease, value []byte, ttl time.Duration) (bool, error) {
	if at.tag != "" {
		return l.swap(ctx, at, lease, value, ttl)
	}
	return l.counted(ctx, func() (bool, error) {
		return l.isDone(l.script(ctx, fillScript, at.keys(), fenceArgs(lease, value, ttl)...))
	})
}

func (l *link) swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	return l.counted(ctx, func() (bool, error) {
		s := swapScript
		if at.tag != "" {
			s = taggedSwapScript
		}
		return l.isDone(l.scriptAndEcho(ctx, s, at.keys(), fenceArgs(old, value, ttl)...))
	})
}

// fenceArgs are the arguments of scripts that put one value in place of another.
func fenceArgs(old, value []byte, ttl time.Duration) []string {
	return []string{rueidis.BinaryString(old), rueidis.BinaryString(value), milliseconds(ttl)}
}

func (l *link) hearOut(ctx context.Context) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.checked(l.sendOne(ctx, l.reserve, l.command("PING")).Error())
}

// counted has the breaker know what became of do.
func (l *link) counted(ctx context.Context, do func() (bool, error)) (bool, error) {
	count, err := l.breaker.enter()
	if err != nil {
		return false, err
	}
	done, err := do()
	l.breaker.leave(ctx, count, err)
	return done, err
}

// isDone reads the reply to a script that says 1 if it did what it was to do.
func (l *link) isDone(res rueidis.RedisResult) (bool, error) {
	done, err := res.AsBool()
	return done, l.checked(err)
}

// wasSet reads the reply to SET with NX.
func (l *link) wasSet(res rueidis.RedisResult) (bool, error) {
	err := res.Error()
	if rueidis.IsRedisNil(err) {
		return false, nil
	}
	return err == nil, l.checked(err)
}

func (l *link) drop(ctx context.Context, at place, old []byte) (bool, error) {
	return l.isDone(l.scriptAndEcho(ctx, dropScript, at.keys()[:1], rueidis.BinaryString(old)))
}

func (l *link) giveBack(ctx context.Context, at place, old []byte) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.checked(l.run(ctx, l.queue, false, dropScript, at.keys()[:1], rueidis.BinaryString(old)).Error())
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (l *link) invalidate(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.announce(ctx, l.reserve, keys)
}

// deliver is invalidate for the journal: nobody waits for it, so it is sent on
// a late line too, and a slow server has longer to answer.
func (l *link) deliver(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, max(pingTimeout, l.redis.opts.Timeout))
	defer cancel()
	return l.announce(ctx, nil, keys)
}

func (l *link) announce(ctx context.Context, enter func(context.Context) error, keys []string) error {
	for some := range slices.Chunk(keys, batchKeys) {
		message := rueidis.BinaryString(purge{node: l.redis.node, keys: some}.encode())
		tags, others := l.redis.split(some)
		all := slices.Concat([]string{l.redis.stateKey()}, tags, others)
		if err := l.run(ctx, enter, true, invalidateScript, all, l.channel(), message, strconv.Itoa(len(tags))).Error(); err != nil {
			return l.checked(err)
		}
	}
	return nil
}

// batchKeys bounds the keys of one purge: a larger one would hold up the
// server and every connection that gets it.
const batchKeys = 500

// deadline bounds a command. The reply may still come later; rueidis drops it.
func (l *link) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	d := l.redis.opts.Timeout
	if ends, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(ends) <= d {
		return ctx, func() {}
	}
	limit := l.limits.take(ctx, d)
	return limit, limit.stop
}

// bytesOrNil returns the bytes of a reply, or nil if there is no such key.
func (l *link) bytesOrNil(res rueidis.RedisResult) ([]byte, error) {
	b, err := res.AsBytes()
	switch {
	case rueidis.IsRedisNil(err):
		return nil, nil
	case err != nil:
		return nil, l.checked(err)
	}
	return notNil(b), nil
}

// notNil makes an empty string different from no key.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
