package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

const (
	maxMessage  = 32 << 10         // bytes of one inbound message: enough for maxBody characters as \u escapes
	maxNumber   = 64               // bytes of a phone number as a carrier writes it
	maxID       = 128              // bytes of a message id
	maxBody     = 1600             // characters: ten concatenated texts
	idleTime    = 2 * time.Minute  // a conversation without a message ends
	writeTime   = 5 * time.Second  // for a client to take its answer
	requestTime = 10 * time.Second // for look-ups and writes of one request
)

// serveTexts is one conversation: each message is answered before the next is
// read. A message that is too long, no JSON or not complete ends it with a
// close code that says so; a failure in the node is an answer with an error.
func (n *node) serveTexts(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(maxMessage)
	s := &socket{ws: ws}
	if !n.sockets.add(s) {
		s.end(websocket.StatusGoingAway, "the server stops")
		return
	}
	defer n.sockets.remove(s)
	defer func() { _ = ws.CloseNow() }() // mostly closed already
	for {
		idle := time.AfterFunc(idleTime, func() { s.end(websocket.StatusGoingAway, "idle") })
		kind, data, err := ws.Read(r.Context())
		idle.Stop()
		if err != nil {
			return // the client has left, or sent too much, or end was called
		}
		if !s.begin() {
			return
		}
		refused := n.answerText(r.Context(), ws, kind, data)
		s.finish()
		if refused != nil {
			s.end(refused.Code, refused.Reason)
			return
		}
	}
}

// answerText handles one message. It returns why the conversation must end,
// or nil.
func (n *node) answerText(
	ctx context.Context, ws *websocket.Conn, kind websocket.MessageType, data []byte,
) *websocket.CloseError {
	if kind != websocket.MessageText {
		return &websocket.CloseError{Code: websocket.StatusUnsupportedData, Reason: "want text messages"}
	}
	var m inbound
	if err := json.Unmarshal(data, &m); err != nil {
		return &websocket.CloseError{Code: websocket.StatusInvalidFramePayloadData, Reason: "not the JSON of a message"}
	}
	if err := m.validate(); err != nil {
		return &websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: err.Error()}
	}
	reply, err := json.Marshal(n.handleText(ctx, m))
	if err != nil {
		return &websocket.CloseError{Code: websocket.StatusInternalError, Reason: "no answer"}
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageText, reply); err != nil {
		return &websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "answer not taken"}
	}
	return nil
}

// validate names the first field that is missing or too long.
func (m inbound) validate() error {
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"id", m.ID, maxID},
		{"from", m.From, maxNumber},
		{"to", m.To, maxNumber},
		{"body", m.Body, maxBody * utf8.UTFMax},
	} {
		if f.value == "" {
			return fmt.Errorf("missing field %q", f.name)
		}
		if len(f.value) > f.limit {
			return fmt.Errorf("field %q is too long", f.name)
		}
	}
	if utf8.RuneCountInString(m.Body) > maxBody {
		return errors.New(`field "body" is too long`)
	}
	return nil
}

// handleText finds organization and lead, stores the message and answers.
func (n *node) handleText(ctx context.Context, m inbound) answer {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	traced, trace := tiered.WithTrace(ctx)
	started := time.Now()
	organization, err := n.service.OrganizationByPhone(traced, m.To)
	if err != nil {
		return n.sorry(m, "organization look-up", err)
	}
	lead, err := n.service.FindOrCreateLead(traced, m.From, organization.ID)
	took, acked := time.Since(started), time.Now()
	if err != nil {
		return n.sorry(m, "lead look-up", err)
	}
	_, err = n.service.AppendMessage(ctx, leadsvc.Message{
		LeadID:     lead.ID,
		Content:    m.Body,
		SentBy:     leadsvc.SenderUser,
		Type:       leadsvc.ChannelSMS,
		ExternalID: m.ID, // a carrier that hears no answer sends again
	})
	if err != nil {
		return n.sorry(m, "message not stored", err)
	}
	a := answer{
		ID:               m.ID,
		OrganizationID:   organization.ID,
		OrganizationName: organization.Name,
		LeadID:           lead.ID,
		LeadStatus:       string(lead.Status),
		CustomerName:     lead.CustomerName.String,
		Source:           trace.Source().String(),
		LookupNS:         took.Nanoseconds(),
		AckedAt:          acked.UnixNano(),
	}
	a.Reply = reply(a)
	return a
}

// reply stands for what an agent would write.
func reply(a answer) string {
	if a.CustomerName == "" {
		return "Thanks for your message to " + a.OrganizationName + "! May I have your name?"
	}
	return "Hello " + a.CustomerName + ", " + a.OrganizationName + " here. Let me look that up for you."
}

// sorry answers that something failed. The client learns what, the log why.
func (n *node) sorry(m inbound, what string, err error) answer {
	if errors.Is(err, leadsvc.ErrInvalidPhone) {
		return answer{ID: m.ID, Error: "not a phone number"}
	}
	n.warn("text not answered", "step", what, "err", err)
	return answer{ID: m.ID, Error: what}
}
