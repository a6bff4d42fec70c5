package tiered

import (
	"context"
	"slices"
	"time"

	"github.com/redis/rueidis"
)

// maxTogether bounds the keys of one round trip: each counts as a command (see
// maxInFlight), and half of the room is left to others.
const maxTogether = maxInFlight / 2

// reserveSome is reserve for up to n commands, and returns for how many there is
// room. It waits for the first one only: who holds room while he waits for more
// could wait for another who does the same.
func (l *link) reserveSome(ctx context.Context, n int) (int, error) {
	if err := l.reserve(ctx); err != nil {
		return 0, err
	}
	for some := 1; some < min(n, maxTogether); some++ {
		select {
		case l.slots <- struct{}{}:
			l.line.traffic.add()
		default:
			return some, nil
		}
	}
	return min(n, maxTogether), nil
}

// A step is what is sent for one place: a script, or else commands.
type step struct {
	commands []rueidis.Completed

	script script
	keys   []string
	args   []string
}

func (s step) scripted() bool { return s.script.body != "" }

// together sends steps that room was reserved for in one pipeline, and returns
// the replies to each, and what became of the connection. As in run, the texts of
// scripts are sent only to a server that does not know them, and echo says whether
// to wait for what they have pushed.
func (l *link) together(ctx context.Context, steps []step, echo bool) (replies [][]rueidis.RedisResult, err error) {
	send := func(commands []rueidis.Completed) []rueidis.RedisResult {
		if echo {
			commands = append(commands, l.command("PING"))
		}
		res := l.client.DoMulti(ctx, commands...)
		err = res[len(res)-1].NonRedisError() // the others have come before it
		return res
	}
	replies = make([][]rueidis.RedisResult, len(steps))
	var commands []rueidis.Completed
	for _, s := range steps {
		if s.scripted() {
			s.commands = []rueidis.Completed{l.eval("EVALSHA", s.script.sha, s.keys, s.args)}
		}
		commands = append(commands, s.commands...)
	}
	res := send(commands)
	var unknown []int
	commands = nil
	for i, s := range steps {
		n := max(1, len(s.commands))
		replies[i], res = res[:n], res[n:]
		if e, ok := rueidis.IsRedisErr(replies[i][0].Error()); ok && s.scripted() && e.IsNoScript() {
			unknown = append(unknown, i)
			commands = append(commands, l.eval("EVAL", s.script.body, s.keys, s.args))
		}
	}
	if len(unknown) > 0 {
		res = send(commands)
		for _, i := range unknown {
			replies[i], res = res[:1], res[1:]
		}
	}
	return replies, err
}

// pipeline has do send what is about up to n places, as many as there is room
// for, and returns its replies.
func (l *link) pipeline(ctx context.Context, n int, do func(ctx context.Context, n int) ([]reply, error)) []reply {
	count, err := l.breaker.enter()
	if err != nil {
		return failAll(n, err)
	}
	defer func() { l.breaker.leave(ctx, count, err) }()
	bound, cancel := l.deadline(ctx)
	defer cancel()
	room, err := l.reserveSome(bound, n)
	if err != nil {
		return failAll(n, err)
	}
	replies, lost := do(bound, room)
	for range room {
		l.release(bound, lost)
	}
	err = errOfAll(replies)
	return replies
}

// errOfAll returns an error if all have failed.
func errOfAll(replies []reply) (err error) {
	for _, r := range replies {
		if r.err == nil {
			return nil
		}
		err = r.err
	}
	return err
}

func failAll(n int, err error) []reply {
	replies := make([]reply, n)
	for i := range replies {
		replies[i].err = err
	}
	return replies
}

// inTurns has do deal with all of a list, for as many at a time as it does. When
// it had no reply in time it is not called again: each waits for Redis once.
func inTurns[T any](list []T, do func([]T) []reply) []reply {
	replies := make([]reply, 0, len(list))
	for len(replies) < len(list) {
		replies = append(replies, do(list[len(replies):])...)
		if isAbandoned(replies[len(replies)-1].err) {
			return append(replies, failAll(len(list)-len(replies), errLate)...)
		}
	}
	return replies
}

// readMany reads what is framed and bears no tag with one MGET, which registers
// this node for each of its keys (TestRemote), if it may on the second connection.
// Where there is one but it is in use, each key is asked for by a GET (see readConn).
func (l *link) readMany(ctx context.Context, places []place) []reply {
	if !slices.ContainsFunc(places, func(at place) bool { return at.plain || at.tag != "" }) && l.mayRead(ctx) {
		return l.mgetHere(ctx, places[:min(len(places), maxTogether)])
	}
	return l.pipeline(ctx, len(places), func(ctx context.Context, n int) ([]reply, error) {
		return l.readTogether(ctx, places[:n])
	})
}

func (l *link) readTogether(ctx context.Context, places []place) ([]reply, error) {
	began := time.Now()
	var framed []string
	var steps []step
	for _, at := range places {
		switch {
		case at.tag != "":
			steps = append(steps, step{script: taggedReadScript, keys: at.keys(), args: []string{at.mode()}})
		case at.plain:
			steps = append(steps, step{commands: []rueidis.Completed{l.command("GET", at.key), l.command("PTTL", at.key)}})
		case l.reads != nil: // see readConn
			steps = append(steps, step{commands: []rueidis.Completed{l.command("GET", at.key)}})
		default:
			framed = append(framed, at.key)
		}
	}
	if len(framed) > 0 {
		steps = append(steps, step{commands: []rueidis.Completed{l.command(append([]string{"MGET"}, framed...)...)}})
	}
	results, lost := l.together(ctx, steps, false)
	values := func(int) reply { return reply{} }
	if len(framed) > 0 {
		values = l.mget(results[len(results)-1][0], len(framed))
	}
	l.redis.latency.observe(time.Since(began))

	replies := make([]reply, len(places))
	next := 0
	for i, at := range places {
		r := &replies[i]
		switch {
		case at.tag != "":
			r.held, r.left, r.err = l.taggedReply(results[0][0], began)
			results = results[1:]
		case at.plain:
			r.held, r.left, r.err = l.plainReply(results[0], began)
			results = results[1:]
		case l.reads != nil:
			r.held, r.err = l.bytesOrNil(results[0][0])
			results = results[1:]
		default:
			*r = values(next)
			next++
		}
	}
	return replies, lost
}

// mgetHere reads what is framed and bears no tag on the second connection, for one
// who has the turn there.
func (l *link) mgetHere(ctx context.Context, places []place) []reply {
	count, err := l.breaker.enter()
	if err != nil {
		l.reads.leave()
		return failAll(len(places), err)
	}
	defer func() { l.breaker.leave(ctx, count, err) }()
	began := time.Now()
	words := make([]string, 1, 1+len(places))
	words[0] = "MGET"
	for _, at := range places {
		words = append(words, at.key)
	}
	r, err := l.readHere(ctx, words...)
	if err == nil && len(r.list) != len(places) {
		err = errReply
	}
	if err != nil {
		return failAll(len(places), err)
	}
	l.redis.latency.observe(time.Since(began))
	replies := make([]reply, len(places))
	for i, item := range r.list {
		replies[i].held, replies[i].err = item.bytesOrNil()
	}
	err = errOfAll(replies)
	return replies
}

// mget returns what an MGET of n keys says of each.
func (l *link) mget(res rueidis.RedisResult, n int) func(i int) reply {
	list, err := res.ToArray()
	switch {
	case err != nil:
		err = l.checked(err)
	case len(list) != n:
		err = errReply
	}
	return func(i int) (r reply) {
		if err != nil {
			return reply{err: err}
		}
		if list[i].IsNil() {
			return reply{}
		}
		held, err := list[i].AsBytes()
		if err != nil {
			return reply{err: l.checked(err)}
		}
		return reply{held: notNil(held)}
	}
}

func (l *link) writeMany(ctx context.Context, writes []write) []reply {
	return l.pipeline(ctx, len(writes), func(ctx context.Context, n int) ([]reply, error) {
		return l.writeTogether(ctx, writes[:n])
	})
}

func (l *link) writeTogether(ctx context.Context, writes []write) ([]reply, error) {
	steps := make([]step, len(writes))
	for i, w := range writes {
		steps[i] = l.stepOf(w)
	}
	results, lost := l.together(ctx, steps, true)
	replies := make([]reply, len(writes))
	for i, w := range writes {
		replies[i] = l.written(w, results[i])
	}
	return replies, lost
}

func (l *link) stepOf(w write) step {
	keys := w.at.keys()
	switch {
	case w.verb == toDrop:
		return step{script: dropScript, keys: keys[:1], args: []string{rueidis.BinaryString(w.old)}}
	case w.verb == toFill && w.at.tag == "":
		return step{script: fillScript, keys: keys, args: fenceArgs(w.old, w.value, w.ttl)}
	case w.old == nil && w.at.tag == "":
		return step{commands: []rueidis.Completed{l.command(firstLease(w.at, w.value, w.ttl)...)}}
	default: // a fill of what has a tag too
		s, args := w.at.leaseScript(w.old, w.value, w.ttl)
		return step{script: s, keys: keys, args: args}
	}
}

// written reads the replies to stepOf(w).
func (l *link) written(w write, res []rueidis.RedisResult) (r reply) {
	if w.verb == toLease && w.old == nil && w.at.tag == "" {
		r.done, r.err = l.wasSet(res[0])
	} else {
		r.done, r.err = l.isDone(res[0])
	}
	return r
}
