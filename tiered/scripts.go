package tiered

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

type script struct{ body, sha string }

func newScript(body string) script {
	if broken("retrack") {
		body = strings.ReplaceAll(body, register, "")
	}
	if broken("fence") {
		body = strings.ReplaceAll(body, "return 0 end -- fence", "end")
	}
	sum := sha1.Sum([]byte(body))
	return script{body, hex.EncodeToString(sum[:])}
}

// In all scripts KEYS[1] is the key of the value and KEYS[2], where there is
// one, that of the tag's list.
//
// A read registers this node for the key and a write ends that, so those that put
// a value there end with a read of it. That of a fill is not to be pushed here, and
// that of a lease not twice (see readConn), so they look at what is there with GETEX,
// which returns it like GET but is a write to Redis. (That is not possible where
// there is a tag: in Redis 7.0 whatever a script reads registers the node for all its
// keys.) And a server whose memory is full takes both, as it has seen a write that
// takes none, but no lease where there is nothing.
var (
	swapScript  = newScript(fenced("GET", register))
	fillScript  = newScript(fenced("GETEX", register))
	leaseScript = newScript(fenced("GETEX", ""))

	dropScript = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

	taggedReadScript = newScript(tagged + `
local v = redis.call('GET', KEYS[1])
if not v or orphan(v, ARGV[1]) then return false end
local left = redis.call('PTTL', KEYS[1])
if ARGV[1] == 'plain' and listed() < ends(left) - 1000 then list(left) end
return {v, left}`)

	taggedFirstLeaseScript = newScript(tagged + `
local v = redis.call('GET', KEYS[1])
if v and not orphan(v, ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
list(tonumber(ARGV[2]))
return 1`)

	taggedSwapScript = newScript(tagged + `
if redis.call('GET', KEYS[1]) ~= ARGV[1] or listed() == 0 then return 0 end -- fence
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
list(tonumber(ARGV[3]))
` + register + `
return 1`)

	// KEYS[1] is the key of the state; after it come as many tags as ARGV[3]
	// says, which may list more keys than one call takes, and then the keys.
	// What another program has put in place of a list is deleted all the same.
	//
	// A server whose memory is full lets a script take more only after a write
	// that takes none: UNLINK, of which there is one at least.
	invalidateScript = newScript(`
local function unlink(keys, first)
  for i = first, #keys, 1000 do redis.call('UNLINK', unpack(keys, i, math.min(i + 999, #keys))) end
end
local tags = tonumber(ARGV[3])
for i = 2, 1 + tags do unlink(redis.pcall('ZRANGE', KEYS[i], 0, -1), 1) end
unlink(KEYS, 2)
local number = redis.call('HINCRBY', KEYS[1], 'purges', 1)
return redis.call('PUBLISH', ARGV[1], string.format('%.0f ', number) .. ARGV[2])`)
)

const register = `redis.call('STRLEN', KEYS[1])`

// fenced returns a script that puts one value in place of another, if that is what
// the key holds by get, and does a last thing in the end.
func fenced(get, last string) string {
	return `
if redis.call('` + get + `', KEYS[1]) ~= ARGV[1] then return 0 end -- fence
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
` + last + `
return 1`
}

// tagged has what the scripts on tagged places share. The list of a tag is a
// sorted set of keys, by the time in milliseconds when they end.
//
// A key is an orphan if it is not listed: the list was lost, and an invalidation
// of the tag may have missed the key. At a plain place a value may be another
// program's, which lists nothing; what begins with null or ends with a tab is
// ours (see plainForm).
//
// list adds the key to the list, which then lives as long as the key, and drops
// those that have ended. What another program has put there it replaces.
const tagged = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function ends(left) return left < 0 and math.huge or now + left end
local function listed()
  local score = redis.pcall('ZSCORE', KEYS[2], KEYS[1])
  return type(score) == 'string' and tonumber(score) or 0
end
local function orphan(v, mode)
  return listed() == 0 and (mode ~= 'plain' or string.sub(v, 1, 4) == 'null' or string.sub(v, -1) == '\t')
end
local function list(left)
  local lives = redis.call('PTTL', KEYS[2])
  local score = left < 0 and '+inf' or string.format('%.0f', now + left)
  if type(redis.pcall('ZADD', KEYS[2], score, KEYS[1])) == 'table' then
    redis.call('UNLINK', KEYS[2])
    redis.call('ZADD', KEYS[2], score, KEYS[1])
    lives = -2
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
  if left < 0 then
    redis.call('PERSIST', KEYS[2])
  elseif lives ~= -1 and lives < left then
    redis.call('PEXPIRE', KEYS[2], left)
  end
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

// script runs s, within the Redis timeout.
func (l *link) script(ctx context.Context, s script, keys []string, args ...string) rueidis.RedisResult {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.run(ctx, l.reserve, false, s, keys, args...)
}

// scriptAndEcho is script for what changes something that this node may be
// registered for. Redis pushes what a command changed after the reply to that
// command. The PING behind it is answered later still, so that the push has been
// handled when scriptAndEcho returns (rule 2).
func (l *link) scriptAndEcho(ctx context.Context, s script, keys []string, args ...string) rueidis.RedisResult {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	return l.run(ctx, l.reserve, true, s, keys, args...)
}

// run runs s, and waits for what it has pushed if echo says so. It sends the text of
// s only to a server that does not know it. ctx and enter (see link.send) bound it.
func (l *link) run(ctx context.Context, enter func(context.Context) error, echo bool, s script, keys []string, args ...string) rueidis.RedisResult {
	eval := func(how, text string) rueidis.RedisResult {
		if !echo {
			return l.sendOne(ctx, enter, l.eval(how, text, keys, args))
		}
		return l.send(ctx, enter, l.eval(how, text, keys, args), l.command("PING"))[0]
	}
	res := eval("EVALSHA", s.sha)
	if e, ok := rueidis.IsRedisErr(res.Error()); ok && e.IsNoScript() {
		res = eval("EVAL", s.body)
	}
	return res
}

// eval makes a command of a script. How it is named, how says.
func (l *link) eval(how, script string, keys, args []string) rueidis.Completed {
	return l.client.B().Arbitrary(how, script, strconv.Itoa(len(keys))).Args(keys...).Args(args...).Build()
}
