package tiered

import (
	"context"
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

func (l *link) get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	res := l.client.Do(ctx, l.command("GET", key))
	l.release(ctx, res.NonRedisError())
	return l.bytesOrNil(res)
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

func (l *link) setIfAbsent(ctx context.Context, at place, value []byte, ttl time.Duration) ([]byte, error) {
	count, err := l.breaker.enter()
	if err != nil {
		return nil, err
	}
	held, err := l.setAndGet(ctx, at, value, ttl)
	l.breaker.leave(ctx, count, err)
	return held, err
}

func (l *link) setAndGet(ctx context.Context, at place, value []byte, ttl time.Duration) ([]byte, error) {
	if at.tag != "" {
		return l.bytesOrNil(l.script(ctx, taggedSetScript, at.keys(), rueidis.BinaryString(value), milliseconds(ttl), at.mode()))
	}
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	// The write ends this node's registration (rule 1), so the read comes last.
	res := l.send(ctx, l.reserve,
		l.command("SET", at.key, rueidis.BinaryString(value), "NX", "PX", milliseconds(ttl)),
		l.command("GET", at.key))
	if err := res[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return nil, l.checked(err)
	}
	return l.bytesOrNil(res[1])
}

func (l *link) swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	count, err := l.breaker.enter()
	if err != nil {
		return false, err
	}
	s := swapScript
	if at.tag != "" {
		s = taggedSwapScript
	}
	swapped, err := l.script(ctx, s, at.keys(), rueidis.BinaryString(old), rueidis.BinaryString(value), milliseconds(ttl)).AsBool()
	err = l.checked(err)
	l.breaker.leave(ctx, count, err)
	return swapped, err
}

func (l *link) drop(ctx context.Context, at place, old []byte) (bool, error) {
	done, err := l.script(ctx, dropScript, at.keys()[:1], rueidis.BinaryString(old)).AsBool()
	return done, l.checked(err)
}

func (l *link) giveBack(ctx context.Context, at place, old []byte) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.checked(l.run(ctx, l.queue, dropScript, at.keys()[:1], rueidis.BinaryString(old)).Error())
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
	ctx, cancel := bounded(ctx, max(pingTimeout, l.redis.opts.Timeout))
	defer cancel()
	return l.announce(ctx, nil, keys)
}

func (l *link) announce(ctx context.Context, enter func(context.Context) error, keys []string) error {
	for some := range slices.Chunk(keys, batchKeys) {
		message := rueidis.BinaryString(purge{node: l.redis.node, keys: some}.encode())
		tags, others := l.redis.split(some)
		all := slices.Concat([]string{l.redis.stateKey()}, tags, others)
		if err := l.run(ctx, enter, invalidateScript, all, l.channel(), message, strconv.Itoa(len(tags))).Error(); err != nil {
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
	if ctx.Done() == nil {
		limit := l.limits.take(ctx, l.redis.opts.Timeout)
		return limit, limit.stop
	}
	return bounded(ctx, l.redis.opts.Timeout)
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
