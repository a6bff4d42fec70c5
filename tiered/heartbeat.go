package tiered

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A pulse renews the freshness lease of a link's sessions. Several times per
// MaxStale, and twice per second at least, the node publishes a tick to a channel that only this link hears.
// Redis sends the tick behind every push and purge that came before it, and
// the link handles what arrives in that order. So when a tick is heard, this
// node knows all changes up to the moment at which the tick was sent.
//
// A tick also carries what Redis has under the key of the state at that moment:
// the number of the latest purge, so that a lost one is noticed even if no
// other follows, and the life of the server (see link.claim).
//
// Only the goroutine that reads the connection uses what is not marked
// otherwise.
type pulse struct {
	channel  string        // of the ticks; never changed
	first    chan struct{} // closed when the first tick was heard
	missing  *time.Timer   // runs from when a tick is sent until one is heard
	lease    atomic.Int64  // the monotonic time up to which the last one renewed the lease
	purges   uint64        // the number of the latest purge
	counting bool          // purges is known
	heard    bool          // any tick
}

// beatsPerLease ticks are sent per MaxStale: one that is late by a few does not
// end the lease.
const beatsPerLease = 5

func newPulse(l *link) pulse {
	r := l.redis
	missing := time.AfterFunc(time.Hour, l.overdue)
	missing.Stop()
	return pulse{
		missing: missing,
		channel: r.opts.Prefix + reserved + "tick:" + newToken(),
		first:   make(chan struct{}),
	}
}

// Redis forgets the state when it is flushed, or under memory pressure. It
// gets back the life that this link knows: the server is the same, and has
// less than before, nothing more.
//
// HDEL deletes nothing, but it is a write. A server that takes none, a replica
// for one, refuses the tick: it could not be told of changes either. And it
// takes no memory: after it, a server whose memory is full allows those that do.
const tickScript = `
redis.call('HDEL', KEYS[1], '')
local state = redis.call('HMGET', KEYS[1], 'purges', 'life')
if not state[2] then
  redis.call('HSET', KEYS[1], 'life', ARGV[3])
  state[2] = ARGV[3]
end
return redis.call('PUBLISH', ARGV[1], ARGV[2] .. (state[1] or '0') .. ' ' .. state[2])`

// heartbeat sends ticks until ctx ends.
func (l *link) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(min(l.redis.opts.MaxStale/beatsPerLease, pingEvery))
	defer ticker.Stop()
	defer l.pulse.missing.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-l.hurry:
		}
		l.pulse.missing.Reset(l.redis.opts.Timeout)
		switch err := l.beat(ctx); {
		case err == nil: // that it arrived, the tick itself will tell
		case errors.Is(err, context.DeadlineExceeded):
			l.overdue()
		case ctx.Err() == nil:
			l.redis.failed(discreet(err), linkGivenUp)
			l.line.hangUp()
		}
	}
}

// beat sends one tick, on the second connection if there is one. It does not wait for
// room among the commands in flight: a node that is short of it needs its lease all
// the more.
func (l *link) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.redis.opts.MaxStale)
	defer cancel()
	if l.reads == nil {
		return heardBy(l.client.Do(ctx, l.command(l.tick()...)).AsInt64())
	}
	if err := l.reads.take(ctx); err != nil {
		return err
	}
	r, err := l.reads.do(ctx, l.redis.opts.Timeout, l.tick()...)
	return heardBy(r.number, err)
}

// tick is the command that sends one now.
func (l *link) tick() []string {
	sent := binary.BigEndian.AppendUint64(nil, uint64(l.redis.clock.now()))
	return []string{"EVAL", tickScript, "1", l.redis.stateKey(), l.pulse.channel, string(sent), l.claimed}
}

func heardBy(listeners int64, err error) error {
	if err == nil && listeners == 0 {
		return errDeaf
	}
	return err
}

var errDeaf = errors.New("the subscription is gone")

// A tick is what comes back of a beat.
type tick struct {
	sent   int64 // monotonic time
	purges uint64
	life   string
}

var errBadTick = errors.New("tiered: not a tick")

func decodeTick(m string) (tick, error) {
	if len(m) < 8 {
		return tick{}, errBadTick
	}
	number, life, ok := strings.Cut(m[8:], " ")
	purges, err := strconv.ParseUint(number, 10, 64)
	sent := int64(binary.BigEndian.Uint64([]byte(m[:8])))
	if !ok || err != nil || sent <= 0 {
		return tick{}, errBadTick
	}
	return tick{sent, purges, life}, nil
}

// onTick renews the lease, if nothing is missing of what came before.
func (l *link) onTick(message string) {
	t, err := decodeTick(message)
	if err != nil || t.life != l.claimed {
		l.line.hangUp() // this is not the server that this link was made to
		return
	}
	p := &l.pulse
	p.missing.Stop()
	lost := p.counting && t.purges != p.purges && !broken("sequence")
	p.purges, p.counting = t.purges, true
	if lost {
		l.redis.restart(l, errGap)
	}
	p.lease.Store(after(t.sent, l.redis.opts.MaxStale))
	l.redis.renew(l)
	if !p.heard {
		p.heard = true
		close(p.first)
	}
}

var errGap = errors.New("a purge was lost")

// follows notes the number of a purge and reports whether none was lost before
// it.
func (p *pulse) follows(number uint64) bool {
	next, counting := p.purges+1, p.counting
	p.purges, p.counting = number, true
	return !counting || number == next || broken("sequence")
}
