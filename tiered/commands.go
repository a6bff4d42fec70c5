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
	began := time.Now()
	switch {
	case at.tag != "":
		held, left, err = l.readTagged(ctx, at)
	case at.plain:
		held, left, err = l.readPlain(ctx, at)
	default:
		held, err = l.get(ctx, at.key)
	}
	took := time.Since(began)
	if err == nil {
		l.redis.latency.observe(took)
	}
	if left != forever {
		left -= took // Redis counted it at some time in between
	}
	return held, left, err
}

func (l *link) get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	res := l.client.Do(ctx, l.client.B().Get().Key(key).Build())
	l.release(res.NonRedisError())
	return l.bytesOrNil(res)
}

func (l *link) readPlain(ctx context.Context, at place) ([]byte, time.Duration, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	res := l.send(ctx, b.Get().Key(at.key).Build(), b.Pttl().Key(at.key).Build())
	held, err := l.bytesOrNil(res[0])
	if err != nil || held == nil {
		return nil, 0, err
	}
	ms, err := res[1].AsInt64()
	if err != nil {
		return nil, 0, l.checked(err)
	}
	return held, lifetime(ms), nil
}

func (l *link) readTagged(ctx context.Context, at place) ([]byte, time.Duration, error) {
	pair, err := l.script(ctx, taggedReadScript, at.keys(), at.mode()).ToArray()
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
	return notNil(held), lifetime(ms), nil
}

// lifetime returns what the reply to PTTL means.
func lifetime(ms int64) time.Duration {
	if ms == -1 {
		return forever
	}
	return time.Duration(ms) * time.Millisecond
}

func (l *link) setIfAbsent(ctx context.Context, at place, value []byte, ttl time.Duration) ([]byte, error) {
	if at.tag != "" {
		return l.bytesOrNil(l.script(ctx, taggedSetScript, at.keys(), rueidis.BinaryString(value), milliseconds(ttl), at.mode()))
	}
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	// The write ends this node's registration (rule 1), so the read comes last.
	res := l.send(ctx,
		b.Set().Key(at.key).Value(rueidis.BinaryString(value)).Nx().PxMilliseconds(ttl.Milliseconds()).Build(),
		b.Get().Key(at.key).Build())
	if err := res[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return nil, l.checked(err)
	}
	return l.bytesOrNil(res[1])
}

func (l *link) swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	s := swapScript
	if at.tag != "" {
		s = taggedSwapScript
	}
	done, err := l.script(ctx, s, at.keys(), rueidis.BinaryString(old), rueidis.BinaryString(value), milliseconds(ttl)).AsBool()
	return done, l.checked(err)
}

func (l *link) drop(ctx context.Context, at place, old []byte) (bool, error) {
	done, err := l.script(ctx, dropScript, at.keys()[:1], rueidis.BinaryString(old)).AsBool()
	return done, l.checked(err)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (l *link) invalidate(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	var commands []rueidis.Completed
	for some := range slices.Chunk(keys, batchKeys) {
		commands = append(append(commands, l.unlink(some)...), l.publish(some))
	}
	return l.sendAll(ctx, commands)
}

// redeliver is invalidate for what Redis may refuse again: nobody is told of
// keys that were not deleted.
func (l *link) redeliver(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	if err := l.sendAll(ctx, l.unlink(keys)); err != nil {
		return err
	}
	return l.sendAll(ctx, []rueidis.Completed{l.publish(keys)})
}

// batchKeys bounds the keys of one UNLINK and one purge: a larger command
// would hold up the server and every connection that gets the purge.
const batchKeys = 500

// unlink returns the commands that delete keys, and all that bear those of
// them that are tags. (EVAL, because what comes behind must not be sent
// before Redis knows the script.)
func (l *link) unlink(keys []string) []rueidis.Completed {
	b := l.client.B()
	var commands []rueidis.Completed
	var plain []string
	for _, key := range keys {
		if l.redis.isTag(key) {
			commands = append(commands, b.Eval().Script(invalidateTagScript).Numkeys(1).Key(key).Build())
		} else {
			plain = append(plain, key)
		}
	}
	if len(plain) > 0 {
		commands = append(commands, b.Unlink().Key(plain...).Build())
	}
	return commands
}

// publish returns the command that tells the other nodes.
func (l *link) publish(keys []string) rueidis.Completed {
	message := rueidis.BinaryString(purge{node: l.redis.node, keys: keys}.encode())
	return l.client.B().Publish().Channel(l.channel()).Message(message).Build()
}

// sendAll returns the first error of several commands.
func (l *link) sendAll(ctx context.Context, commands []rueidis.Completed) error {
	for _, res := range l.send(ctx, commands...) {
		if err := res.Error(); err != nil {
			return l.checked(err)
		}
	}
	return nil
}

// deadline bounds a command. The reply may still come later; rueidis drops it.
func (l *link) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.redis.opts.Timeout)
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
