package tiered

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A link is one connection to Redis, from dial to loss. Commands, replies,
// tracking pushes and purges share it, so they arrive in the order in which
// Redis did the work, and rueidis calls onPush and onMessage in that order,
// before it delivers any later reply. A link never reconnects.
type link struct {
	redis   *Redis
	line    line
	client  rueidis.DedicatedClient
	broken  <-chan error // gets the reason, or is closed, when the connection is lost
	life    uint64
	tracked bool
}

// connect dials, asks for tracking and subscribes to the purge channel. It
// returns within a few dial timeouts, also when the server is frozen.
func (r *Redis) connect() (*link, error) {
	l := &link{redis: r}
	r.dialer.use(&l.line)
	l.client, _ = r.client.Dedicate() // its error comes with the first command
	l.client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: l.onMessage})
	l.broken = l.client.SetOnInvalidations(l.onPush)
	r.dialer.use(nil)
	if err := l.greet(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// greet makes the connection ready. The replies arrive in the order of the
// commands, so once the subscription is confirmed nothing can be missed.
func (l *link) greet() error {
	ctx, cancel := context.WithTimeout(l.redis.ctx, 2*defaultDialTimeout)
	defer cancel()
	b := l.client.B()
	if err := l.client.Do(ctx, b.Subscribe().Channel(l.channel()).Build()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := l.track(ctx); err != nil {
		if !isReply(err) && !errors.Is(err, errOldProtocol) {
			return fmt.Errorf("tracking: %w", err)
		}
		l.redis.opts.Logger.Warn("tiered: Redis refuses client tracking; purges alone will keep this node fresh",
			"error", err)
	}
	info, err := l.client.Do(ctx, b.Info().Section("server").Build()).ToString()
	switch {
	case err == nil:
		l.life = lifeOf(runID(info))
	case !isReply(err):
		return fmt.Errorf("info: %w", err)
	default:
		l.redis.opts.Logger.Warn("tiered: Redis refuses INFO; values of a former server cannot be told apart",
			"error", err)
	}
	return nil
}

var errOldProtocol = errors.New("the connection speaks RESP2")

// track switches tracking on. A RESP2 connection takes the command and then
// pushes nothing, so the protocol is asked for first.
func (l *link) track(ctx context.Context) error {
	hello, err := l.client.Do(ctx, l.client.B().Hello().Build()).AsMap()
	if err != nil {
		return err
	}
	proto := hello["proto"]
	if n, err := proto.AsInt64(); err != nil || n < 3 {
		return errOldProtocol
	}
	// Not NOLOOP, which would spare us the echo of our own writes: it also
	// swallows the pushes for other keys that Redis evicts, or drops from a
	// full tracking table, while it works on a command of ours. Those keys
	// would stay here with nothing left to invalidate them (measured on 7.0;
	// TestEvictionIsPushed, TestTrackingTableFull).
	if err := l.client.Do(ctx, l.client.B().ClientTracking().On().Build()).Error(); err != nil {
		return err
	}
	l.tracked = true
	return nil
}

// isReply reports whether err is Redis' own answer, not a lost connection.
func isReply(err error) bool {
	_, ok := rueidis.IsRedisErr(err)
	return ok
}

func runID(info string) string {
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// close ends the connection and frees what rueidis holds for it.
func (l *link) close() {
	l.line.hangUp()
	l.client.Close()
}

// checked passes on err, and gives the link up if it says that a connection
// is gone: of two, rueidis tells us only about the one that carries pub/sub.
func (l *link) checked(err error) error {
	if err != nil && !isReply(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		l.line.hangUp()
	}
	return err
}

func (l *link) channel() string { return l.redis.opts.Prefix + purgeChannel }

// onPush handles a tracking push. None at all (nil) means that Redis, or the
// connection, has forgotten what this node holds.
func (l *link) onPush(keys []rueidis.RedisMessage) {
	if keys == nil {
		l.redis.restart(l)
		return
	}
	for i := range keys {
		if key, err := keys[i].ToString(); err == nil {
			for _, c := range l.redis.listeners() {
				c.pushed(key)
			}
		}
	}
}

// onMessage handles a purge. One that cannot be read might name any key.
func (l *link) onMessage(m rueidis.PubSubMessage) {
	p, err := decodePurge(m.Message)
	if err != nil {
		l.redis.restart(l)
		return
	}
	if p.node == l.redis.node {
		return // this node obeyed before it sent it
	}
	for _, key := range p.keys {
		for _, c := range l.redis.listeners() {
			c.purged(key)
		}
	}
}

func (l *link) read(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.bytesOrNil(l.client.Do(ctx, l.client.B().Get().Key(key).Build()))
}

func (l *link) setIfAbsent(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	// The write ends this node's registration (rule 1), so the read comes last.
	res := l.client.DoMulti(ctx,
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

func (l *link) drop(ctx context.Context, key string, old []byte) error {
	return l.checked(l.script(ctx, dropScript, key, rueidis.BinaryString(old)).Error())
}

func (l *link) invalidate(ctx context.Context, keys []string) error {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	message := rueidis.BinaryString(purge{node: l.redis.node, keys: keys}.encode())
	var err error
	for _, res := range l.client.DoMulti(ctx,
		b.Unlink().Key(keys...).Build(),
		b.Publish().Channel(l.channel()).Message(message).Build()) {
		err = errors.Join(err, l.checked(res.Error()))
	}
	return err
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
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)
)

// script runs s, and sends its text only to a server that does not know it.
// Redis pushes what a command changed after the reply to that command. The
// PING behind it is answered later still, so that the push has been handled
// when script returns (rule 2).
func (l *link) script(ctx context.Context, s script, key string, args ...string) rueidis.RedisResult {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	res := l.client.DoMulti(ctx, b.Evalsha().Sha1(s.sha).Numkeys(1).Key(key).Arg(args...).Build(), b.Ping().Build())
	if e, ok := rueidis.IsRedisErr(res[0].Error()); ok && e.IsNoScript() {
		res = l.client.DoMulti(ctx, b.Eval().Script(s.body).Numkeys(1).Key(key).Arg(args...).Build(), b.Ping().Build())
	}
	return res[0]
}
