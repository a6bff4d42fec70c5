package inbound

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// maxFrame is enough for maxText characters as \u escapes, in bytes.
const maxFrame = 32 << 10

var socketFields = textFields{id: "id", from: "from", to: "to", body: "body"}

// A frame is one message as it was read, and one byte more than maxFrame if
// it is too big.
type frame struct {
	kind websocket.MessageType
	data []byte
}

// accept begins to answer one text. It returns why the connection must end, or
// nil.
func (s *socket) accept(ctx context.Context, f frame) *websocket.CloseError {
	m, refused := parseText(f)
	if refused != nil {
		return refused
	}
	c, err := m.check(socketFields)
	if err == nil && m.Body == "" {
		err = badRequest("missing field %q", socketFields.body)
	}
	if err != nil {
		c = conversation{} // that of no numbers: it waits for none of theirs
	}
	// To wait for the texts before it counts too: whoever sent it waits as well.
	limited, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	s.texts.add(c, func() {
		a := s.answer(limited, m, err)
		cancel()
		s.write(ctx, a)
	})
	return nil
}

// parseText returns a text that can be answered, if only with an error.
func parseText(f frame) (m Text, refused *websocket.CloseError) {
	switch {
	case len(f.data) > maxFrame:
		return m, &websocket.CloseError{Code: websocket.StatusMessageTooBig, Reason: "message is too big"}
	case f.kind != websocket.MessageText:
		return m, &websocket.CloseError{Code: websocket.StatusUnsupportedData, Reason: "want text messages"}
	case !utf8.Valid(f.data):
		return m, &websocket.CloseError{Code: websocket.StatusInvalidFramePayloadData, Reason: "not UTF-8"}
	case json.Unmarshal(f.data, &m) != nil:
		return m, &websocket.CloseError{Code: websocket.StatusInvalidFramePayloadData, Reason: "not the JSON of a message"}
	case m.ID == "":
		return m, &websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: `missing field "id"`}
	case len(m.ID) > maxID:
		return m, &websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: `field "id" is too long`}
	}
	return m, nil
}

// answer answers a text, or says why not if it was refused.
func (s *socket) answer(ctx context.Context, m Text, refused error) Answer {
	if refused == nil {
		var a Answer
		if a, refused = s.tryText(ctx, m); refused == nil {
			return a
		}
	}
	_, text := s.explain(refused)
	return Answer{ID: m.ID, Error: text}
}

// tryText is answerText, which fails when ctx has ended.
func (s *socket) tryText(ctx context.Context, m Text) (Answer, error) {
	return try(func() (Answer, error) {
		a, _, err := s.answerText(ctx, m)
		return a, err
	})
}

// write sends an answer. A client that does not take it in time is cut off; to
// one that has left there is nothing to say.
func (s *socket) write(ctx context.Context, a Answer) {
	data, err := json.Marshal(a)
	if err != nil {
		s.warnings.warn("inbound: an answer has no JSON", err)
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.opts.WriteTimeout)
	defer cancel()
	err = s.ws.Write(limited, websocket.MessageText, data)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		s.warnings.warn("inbound: a WebSocket was cut off, its client takes no answers", err)
	}
}
