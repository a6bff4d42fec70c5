package tiered

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// A link is one connection to Redis, from dial to loss. Commands, replies,
// tracking pushes and purges share it, so they arrive in the order in which
// Redis did the work, and rueidis calls onPush and onMessage in that order,
// before it delivers any later reply. A link never reconnects. With it comes a
// second connection, for some reads (see readConn).
type link struct {
	redis   *Redis
	line    line
	client  rueidis.DedicatedClient
	broken  <-chan error // gets the reason, or is closed, when the connection is lost
	claimed string       // the life of the server
	life    uint64       // the same, shortened
	tracked bool
	id      int64     // of the connection, on the server
	reads   *readConn // nil: there is none, and what is read is read here
	pulse   pulse
	breaker *breaker // between flights and the commands that they wait for
	late    *lateness
	limits  limits

	redirectKey string        // a push for it proves what reads needs proven; never changed
	redirected  chan struct{} // holds one when it has come

	hurry  chan struct{} // tells heartbeat not to wait for the next beat
	closed chan struct{} // closed when nobody gets a reply any more

	slots     chan struct{} // holds one for each command that has no reply yet
	abandoned atomic.Int64  // of those: nobody waits for the reply any more
	stalled   chan struct{} // tells supervise to ask for a sign of life
}

// connect dials, asks for tracking and subscribes to the purge channel. It
// returns within a few dial timeouts, also when the server is frozen.
func (r *Redis) connect() (*link, error) {
	l := &link{
		redis: r, breaker: newBreaker(r), late: newLateness(), closed: make(chan struct{}),
		slots: make(chan struct{}, maxInFlight), stalled: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		redirectKey: r.opts.Prefix + reserved + "redirect:" + newToken(), redirected: make(chan struct{}, 1),
	}
	l.pulse = newPulse(l)
	l.line.traffic = newTraffic(func() int { return len(l.slots) })
	stop := context.AfterFunc(r.power.on, l.line.hangUp) // rueidis would finish its handshake first
	defer stop()
	r.dialer.use(r.power.on, &l.line)
	l.client, _ = r.client.Dedicate() // its error comes with the first command
	l.client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: l.onMessage})
	l.broken = l.client.SetOnInvalidations(l.onPush)
	r.dialer.use(r.power.on, nil)
	if err := l.greet(); err != nil {
		l.close()
		return nil, discreet(err)
	}
	return l, nil
}

// greet makes the connection ready. The replies arrive in the order of the
// commands, so once the subscription is confirmed nothing can be missed.
func (l *link) greet() error {
	ctx, cancel := context.WithTimeout(l.redis.power.on, greetRounds*l.redis.dialTimeout)
	defer cancel()
	b := l.client.B()
	if err := l.client.Do(ctx, b.Subscribe().Channel(l.channel(), l.pulse.channel).Build()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := l.track(ctx); err != nil {
		if !isReply(err) && !errors.Is(err, errOldProtocol) {
			return fmt.Errorf("tracking: %w", err)
		}
		l.redis.warn("tiered: Redis refuses client tracking; purges alone will keep this node fresh", discreet(err))
	}
	if err := l.getex(ctx); err != nil {
		return fmt.Errorf("GETEX: %w", err)
	}
	if err := l.claim(ctx); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := l.beat(ctx); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	select {
	case <-l.pulse.first:
	case <-ctx.Done():
		return fmt.Errorf("heartbeat: %w", ctx.Err())
	}
	if !l.tracked {
		return nil
	}
	reads, err := l.openReads(ctx)
	if err != nil {
		l.redis.limited(l.redis.opts.Logger.Info, "tiered: Redis gives no second connection for reads; they share the first", "err", discreet(err))
		return l.beat(ctx) // that may have taken as long as the lease
	}
	l.reads = reads
	return nil
}

// greetRounds is how many round trips greet makes.
const greetRounds = 9 + readRounds

// getex finds out whether this user may GETEX on this server, without which no fill
// would succeed.
func (l *link) getex(ctx context.Context) error {
	key := l.redis.opts.Prefix + reserved + "nothing"
	if err := l.client.Do(ctx, l.command("GETEX", key)).Error(); !rueidis.IsRedisNil(err) {
		return err
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
	id := hello["id"]
	if l.id, err = id.AsInt64(); err != nil {
		return err
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

// close ends the connection and frees what rueidis holds for it. It is called
// once.
func (l *link) close() {
	close(l.closed)
	l.line.hangUp()
	l.client.Close()
	if l.reads != nil {
		l.reads.close()
	}
}

// channel names that of the purges. Redis has one name space of channels for
// all its databases, and each of those counts its own purges.
func (l *link) channel() string {
	return l.redis.opts.Prefix + purgeChannel + strconv.Itoa(l.redis.database)
}

// onPush handles a tracking push. None at all (nil) means that Redis, or the
// connection, has forgotten what this node holds.
func (l *link) onPush(keys []rueidis.RedisMessage) {
	if keys == nil {
		l.pulse.counting = false // of the purges, after FLUSHALL
		l.redis.restart(l, errForgotten)
		return
	}
	for i := range keys {
		key, err := keys[i].ToString()
		switch {
		case err != nil:
		case key == l.redirectKey:
			signal(l.redirected)
		default:
			l.redis.pushed(key)
		}
	}
}

// onMessage handles what was published.
func (l *link) onMessage(m rueidis.PubSubMessage) {
	if m.Channel == l.pulse.channel {
		l.onTick(m.Message)
	} else {
		l.onPurge(m.Message)
	}
}

// onPurge handles a purge. One that cannot be read might name any key, and so
// might one that was lost.
func (l *link) onPurge(message string) {
	if message == newLife { // the next tick tells which
		signal(l.hurry)
		return
	}
	p, err := decodePurge(message)
	if err == nil && !l.pulse.follows(p.number) {
		err = errGap
	}
	if err != nil {
		l.redis.restart(l, err)
	}
	if p.node == l.redis.node {
		return // this node obeyed before it sent it
	}
	for _, key := range p.keys {
		l.redis.purged(key)
	}
}
