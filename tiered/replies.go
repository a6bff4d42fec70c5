package tiered

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/rueidis"
)

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
	return refusal(reply.Error()) // rueidis has cut the code off where it is ERR
}

// refusal returns what Redis answered, discreetly. The code of text is cut off where
// it is ERR.
func refusal(text string) replyError {
	text, _, _ = strings.Cut(text, ", with args")
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

// isRefusal reports whether Redis answered that it will not.
func isRefusal(err error) bool {
	_, ok := errors.AsType[replyError](err)
	return ok
}

// checked passes on err, discreetly, and gives the link up if it says that a
// connection is gone: of two, rueidis tells us only about the one that carries
// pub/sub.
func (l *link) checked(err error) error {
	if err != nil && !isReply(err) && !isAbandoned(err) && !isUnasked(err) {
		l.line.hangUp()
	}
	return discreet(err)
}

// isAbandoned reports whether err says that a context ended, not the command.
func isAbandoned(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// errReply is a reply that no server gives to that command.
var errReply = replyError("something unexpected")
