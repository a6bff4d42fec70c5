package tiered

import (
	"context"
	"crypto/sha1"
	"encoding/hex"

	"github.com/redis/rueidis"
)

type script struct{ body, sha string }

func newScript(body string) script {
	sum := sha1.Sum([]byte(body))
	return script{body, hex.EncodeToString(sum[:])}
}

// In all scripts KEYS[1] is the key of the value and KEYS[2], where there is
// one, that of the tag's list. A write ends this node's registration for a
// key, so those that leave a value behind end with a read of it.
var (
	swapScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('STRLEN', KEYS[1])
return 1`)

	dropScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

	taggedReadScript = newScript(tagged + `
local v = redis.call('GET', KEYS[1])
if not v or orphan(v, ARGV[1]) then return false end
local left = redis.call('PTTL', KEYS[1])
if not listed() then list(left) end
return {v, left}`)

	taggedSetScript = newScript(tagged + `
local v = redis.call('GET', KEYS[1])
if not v or orphan(v, ARGV[3]) then
  v = ARGV[1]
  redis.call('SET', KEYS[1], v, 'PX', ARGV[2])
  list(tonumber(ARGV[2]))
end
redis.call('STRLEN', KEYS[1])
return v`)

	taggedSwapScript = newScript(tagged + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not listed() then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
list(tonumber(ARGV[3]))
redis.call('STRLEN', KEYS[1])
return 1`)

	// A tag may list more keys than one call takes.
	invalidateTagScript = `
local keys = redis.call('SMEMBERS', KEYS[1])
for i = 1, #keys, 1000 do redis.call('UNLINK', unpack(keys, i, math.min(i + 999, #keys))) end
return redis.call('UNLINK', KEYS[1])`
)

// tagged has what the scripts on tagged places share. A key is an orphan if its
// tag does not list it: the list was lost, and an invalidation of the tag may
// have missed the key. At a plain place a value may be another program's, which
// lists nothing; only what begins with null is ours (see plainForm). list adds
// the key to the list, which lives on for at least left milliseconds. (A value
// that never ends gets a day.)
const tagged = `
local function listed() return redis.call('SISMEMBER', KEYS[2], KEYS[1]) == 1 end
local function orphan(v, mode)
  return not listed() and (mode ~= 'plain' or string.sub(v, 1, 4) == 'null')
end
local function list(left)
  if left < 0 then left = 86400000 end
  local lives = redis.call('PTTL', KEYS[2])
  redis.call('SADD', KEYS[2], KEYS[1])
  if lives < left then redis.call('PEXPIRE', KEYS[2], left) end
end
`

// keys returns what a script on at is about.
func (at place) keys() []string {
	if at.tag == "" {
		return []string{at.key}
	}
	return []string{at.key, at.tag}
}

// mode tells a script what kind of place it works on.
func (at place) mode() string {
	if at.plain {
		return "plain"
	}
	return "framed"
}

// script runs s, and sends its text only to a server that does not know it.
// Redis pushes what a command changed after the reply to that command. The
// PING behind it is answered later still, so that the push has been handled
// when script returns (rule 2).
func (l *link) script(ctx context.Context, s script, keys []string, args ...string) rueidis.RedisResult {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	b := l.client.B()
	n := int64(len(keys))
	res := l.send(ctx, b.Evalsha().Sha1(s.sha).Numkeys(n).Key(keys...).Arg(args...).Build(), b.Ping().Build())
	if e, ok := rueidis.IsRedisErr(res[0].Error()); ok && e.IsNoScript() {
		res = l.send(ctx, b.Eval().Script(s.body).Numkeys(n).Key(keys...).Arg(args...).Build(), b.Ping().Build())
	}
	return res[0]
}
