package tiered

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Redis counts a connection that has subscribed among those whose output it
// bounds, at 32 MB by default, and cuts one that has more on the way. So there
// are no more than maxInFlight commands at a time, and no larger values: 25 MB
// together. (rueidis has room for 1,024 commands, and who asks for more waits
// without regard for the context.)
const (
	maxInFlight = 256
	maxPayload  = 100 << 10
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

	slots     chan struct{} // holds one for each command that has no reply yet
	abandoned atomic.Int64  // of those: nobody waits for the reply any more
	stalled   chan struct{} // tells supervise of the first that is abandoned
}

// connect dials, asks for tracking and subscribes to the purge channel. It
// returns within a few dial timeouts, also when the server is frozen.
func (r *Redis) connect() (*link, error) {
	l := &link{redis: r, slots: make(chan struct{}, maxInFlight), stalled: make(chan struct{}, 1)}
	r.dialer.use(&l.line)
	l.client, _ = r.client.Dedicate() // its error comes with the first command
	l.client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: l.onMessage})
	l.broken = l.client.SetOnInvalidations(l.onPush)
	r.dialer.use(nil)
	if err := l.greet(); err != nil {
		l.close()
		return nil, discreet(err)
	}
	return l, nil
}

// greet makes the connection ready. The replies arrive in the order of the
// commands, so once the subscription is confirmed nothing can be missed.
func (l *link) greet() error {
	ctx, cancel := context.WithTimeout(l.redis.ctx, greetRounds*l.redis.dialTimeout)
	defer cancel()
	b := l.client.B()
	// Nothing could be filled, and no lease given back, without scripts.
	if err := l.client.Do(ctx, b.Eval().Script("return 1").Numkeys(0).Build()).Error(); err != nil {
		return fmt.Errorf("scripts: %w", err)
	}
	if err := l.client.Do(ctx, b.Subscribe().Channel(l.channel()).Build()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := l.track(ctx); err != nil {
		if !isReply(err) && !errors.Is(err, errOldProtocol) {
			return fmt.Errorf("tracking: %w", err)
		}
		l.redis.opts.Logger.Warn("tiered: Redis refuses client tracking; purges alone will keep this node fresh",
			"error", discreet(err))
	}
	info, err := l.client.Do(ctx, b.Info().Section("server").Build()).ToString()
	switch {
	case err == nil:
		l.life = lifeOf(runID(info))
	case !isReply(err):
		return fmt.Errorf("info: %w", err)
	default:
		l.redis.opts.Logger.Warn("tiered: Redis refuses INFO; values of a former server cannot be told apart",
			"error", discreet(err))
	}
	return nil
}

// greetRounds is how many round trips greet makes.
const greetRounds = 5

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
	_, ok := errors.AsType[*rueidis.RedisError](err)
	return ok
}

// discreet returns an error whose text repeats no argument of a command. Redis'
// own text may: of a command it does not know it quotes all, AUTH included.
func discreet(err error) error {
	reply, ok := errors.AsType[*rueidis.RedisError](err)
	if !ok {
		return err
	}
	// rueidis has cut the code off where it is ERR.
	text, _, _ := strings.Cut(reply.Error(), ", with args")
	if strings.HasPrefix(text, "unknown command") {
		return replyError(text)
	}
	code, _, _ := strings.Cut(text, " ") // WRONGPASS, NOPERM, OOM, …
	if code != strings.ToUpper(code) {
		code = "ERR"
	}
	return replyError(code)
}

// A replyError is what Redis answered: the connection is fine.
type replyError string

func (e replyError) Error() string { return "Redis answered " + string(e) }

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

// checked passes on err, discreetly, and gives the link up if it says that a
// connection is gone: of two, rueidis tells us only about the one that carries
// pub/sub.
func (l *link) checked(err error) error {
	if err != nil && !isReply(err) && !isAbandoned(err) {
		l.line.hangUp()
	}
	return discreet(err)
}

// isAbandoned reports whether err says that a context ended, not the command.
func isAbandoned(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

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
	ctx, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	n := l.abandoned.Load()
	if err := l.client.Do(ctx, l.client.B().Ping().Build()).Error(); err != nil {
		return err
	}
	l.abandoned.Add(-n)
	for range n {
		<-l.slots
	}
	return nil
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

func (l *link) drop(ctx context.Context, key string, old []byte) error {
	return l.checked(l.script(ctx, dropScript, key, rueidis.BinaryString(old)).Error())
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
