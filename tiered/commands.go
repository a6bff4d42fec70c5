package tiered

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// What follows makes a link a [remote].

func (l *link) read(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	res := l.client.Do(ctx, l.client.B().Get().Key(key).Build())
	l.release(res.NonRedisError())
	return l.bytesOrNil(res)
}

func (l *link) setIfAbsent(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	// The write ends this node's registration (rule 1), so the read comes last.
	res := l.send(ctx,
		b.Set().Key(key).Value(rueidis.BinaryString(value)).Nx().PxMilliseconds(ttl.Milliseconds()).Build(),
		b.Get().Key(key).Build())
	if err := res[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return nil, l.checked(err)
	}
	return l.bytesOrNil(res[1])
}

func (l *link) swap(ctx context.Context, key string, old, value []byte, ttl time.Duration) (bool, error) {
	done, err := l.script(ctx, swapScript, key, rueidis.BinaryString(old), rueidis.BinaryString(value),
		strconv.FormatInt(ttl.Milliseconds(), 10)).AsBool()
	return done, l.checked(err)
}

func (l *link) drop(ctx context.Context, key string, old []byte) (bool, error) {
	done, err := l.script(ctx, dropScript, key, rueidis.BinaryString(old)).AsBool()
	return done, l.checked(err)
}

func (l *link) invalidate(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	var commands []rueidis.Completed
	for some := range slices.Chunk(keys, batchKeys) {
		message := rueidis.BinaryString(purge{node: l.redis.node, keys: some}.encode())
		commands = append(commands,
			b.Unlink().Key(some...).Build(),
			b.Publish().Channel(l.channel()).Message(message).Build())
	}
	for _, res := range l.send(ctx, commands...) {
		if err := res.Error(); err != nil {
			return l.checked(err)
		}
	}
	return nil
}

// redeliver is invalidate for what Redis may refuse again: nobody is told of
// keys that were not deleted.
func (l *link) redeliver(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	if err := l.send(ctx, b.Unlink().Key(keys...).Build())[0].Error(); err != nil {
		return l.checked(err)
	}
	message := rueidis.BinaryString(purge{node: l.redis.node, keys: keys}.encode())
	return l.checked(l.send(ctx, b.Publish().Channel(l.channel()).Message(message).Build())[0].Error())
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
	case b == nil:
		return []byte{}, nil // an empty string is not the same as no key
	}
	return b, nil
}

type script struct{ body, sha string }

func newScript(body string) script {
	sum := sha1.Sum([]byte(body))
	return script{body, hex.EncodeToString(sum[:])}
}

var (
	// The last call is there because it reads: the SET before it ended this
	// node's registration for the key.
	swapScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('STRLEN', KEYS[1])
return 1`)

	dropScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)
)

// batchKeys bounds the keys of one UNLINK and one purge: a larger command
// would hold up the server and every connection that gets the purge.
const batchKeys = 500

// script runs s, and sends its text only to a server that does not know it.
// Redis pushes what a command changed after the reply to that command. The
// PING behind it is answered later still, so that the push has been handled
// when script returns (rule 2).
func (l *link) script(ctx context.Context, s script, key string, args ...string) rueidis.RedisResult {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	res := l.send(ctx, b.Evalsha().Sha1(s.sha).Numkeys(1).Key(key).Arg(args...).Build(), b.Ping().Build())
	if e, ok := rueidis.IsRedisErr(res[0].Error()); ok && e.IsNoScript() {
		res = l.send(ctx, b.Eval().Script(s.body).Numkeys(1).Key(key).Arg(args...).Build(), b.Ping().Build())
	}
	return res[0]
}
