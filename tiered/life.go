package tiered

import (
	"context"
	"crypto/rand"
	"hash/fnv"
	"slices"
	"strings"
)

// What Redis holds may be older than what it was told to forget: after a
// restart from a snapshot, or when a replica takes over that had not heard of
// every delete. So each frame names the life of the server that it was written
// in, and those of other lives are misses.
//
// A life is a text under a key in Redis itself: who the server is, and something
// random. The run id tells a server from the one it was before a restart, the
// replication id from the one it was before it became a replica or a master.
// Whoever connects and finds another server there begins a new life.
//
// The random part is for a server that was replaced and later put back while it
// knew nothing of that: it may still hold what was deleted on its stand-in. A
// node that was connected to the stand-in has left the first life and does not
// go back to it; it begins another, and the ticks of the others tell them.

// claimScript returns the life of the server, a new one if need be.
var claimScript = newScript(`
local life = redis.call('HGET', KEYS[1], 'life')
local good = life and string.sub(life, 1, #ARGV[1]) == ARGV[1]
for i = 4, #ARGV do good = good and life ~= ARGV[i] end
if good then return life end
redis.call('HDEL', KEYS[1], 'life') -- see tickScript
redis.call('HSET', KEYS[1], 'life', ARGV[2])
redis.call('PUBLISH', ARGV[3], '` + newLife + `')
return ARGV[2]`)

// newLife is published in place of a purge by who begins a life. Until the others
// know, they and the nodes in the new one replace each other's values.
const newLife = "life"

// claim finds out in which life of the server this link is.
func (l *link) claim(ctx context.Context) error {
	server, err := l.identity(ctx)
	if err != nil {
		return err
	}
	lives, next := &l.redis.lives, server+newToken()
	lives.unsettled = true
	if lives.anew {
		server = next // no life begins like that
	}
	args := append([]string{server, next, l.channel()}, lives.left...)
	l.claimed, err = l.client.Do(ctx, l.client.B().Eval().Script(claimScript.body).Numkeys(1).Key(l.redis.stateKey()).
		Arg(args...).Build()).ToString()
	l.life = lifeOf(l.claimed)
	lives.anew = lives.anew && err != nil
	return err
}

// identity says who the server is: nothing, where it does not say so itself. A
// node that is not told takes any life that it has not left.
func (l *link) identity(ctx context.Context) (string, error) {
	var server strings.Builder
	for _, field := range []struct{ section, name string }{{"server", "run_id"}, {"replication", "master_replid"}} {
		info, err := l.client.Do(ctx, l.client.B().Info().Section(field.section).Build()).ToString()
		if isReply(err) {
			l.redis.warn("tiered: Redis refuses INFO; values of a former server cannot be told apart", discreet(err))
			return "", nil
		}
		if err != nil {
			return "", err
		}
		server.WriteString(infoField(info, field.name) + ":")
	}
	return server.String(), nil
}

// lives are those that a node was in. Only supervise uses them, and SetEnabled
// while supervise does not run.
type lives struct {
	latest    string   // of the latest link that was used; empty: none yet, or left
	left      []string // before that, the latest last
	unsettled bool     // a life may have been claimed that is neither latest nor left
	anew      bool     // whatever life the next link finds, it begins another
}

// maxLives bounds the lives that a node remembers to have left.
const maxLives = 32

// settleIn notes the life of the link that is about to be used.
func (v *lives) settleIn(life string) {
	if v.latest != life {
		v.leave()
	}
	v.latest, v.unsettled = life, false
}

// leave makes this node never go back to the life that it is in.
func (v *lives) leave() {
	if v.latest != "" && !slices.Contains(v.left, v.latest) {
		v.left = append(v.left, v.latest)
		v.left = v.left[max(0, len(v.left)-maxLives):]
	}
	v.latest = ""
}

// none reports whether this node was in no life yet.
func (v *lives) none() bool { return v.latest == "" && len(v.left) == 0 }

// newToken returns a text that no other call returns.
func newToken() string { return rand.Text() }

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// lifeOf shortens a life. Never 0: that means unknown.
func lifeOf(life string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(life))
	return max(h.Sum64(), 1)
}
