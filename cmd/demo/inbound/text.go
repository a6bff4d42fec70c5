package inbound

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"leadcache/leadsvc"
)

// A Text is one text message, as a carrier hands it over. All fields are
// required.
type Text struct {
	ID   string `json:"id"`   // the carrier's name for it, at most 128 bytes
	From string `json:"from"` // phone number of the customer, at most 64 bytes
	To   string `json:"to"`   // phone number of the organization, at most 64 bytes
	Body string `json:"body"` // at most 1600 characters
}

// An Answer follows every [Text]. With Error set nothing else but ID holds.
type Answer struct {
	ID               string `json:"id"`
	Error            string `json:"error,omitempty"`
	OrganizationID   string `json:"organization_id,omitempty"`
	OrganizationName string `json:"organization_name,omitempty"`
	LeadID           string `json:"lead_id,omitempty"`
	LeadStatus       string `json:"lead_status,omitempty"`
	CustomerName     string `json:"customer_name,omitempty"`
	Reply            string `json:"reply,omitempty"`
	Source           string `json:"source,omitempty"`    // the slowest tier that the two look-ups asked
	LookupNS         int64  `json:"lookup_ns,omitempty"` // time of the two look-ups

	// AckedAt is the wall clock in nanoseconds when the look-ups returned: a
	// new lead has been announced to the other nodes.
	AckedAt int64 `json:"acked_at,omitempty"`
}

const (
	maxID     = 128
	maxNumber = 64
	maxText   = 1600 // characters: ten concatenated texts
)

// textFields are the names of a Text's fields where it came from.
type textFields struct{ id, from, to, body string }

// A conversation is one customer and one number of ours, however they are
// written.
type conversation struct{ customer, organization leadsvc.Phone }

// check returns the conversation that m belongs to. The error names the first
// field that is wrong. An empty body is left to the caller.
func (m Text) check(names textFields) (conversation, error) {
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{names.id, m.ID, maxID},
		{names.from, m.From, maxNumber},
		{names.to, m.To, maxNumber},
	} {
		if f.value == "" {
			return conversation{}, badRequest("missing field %q", f.name)
		}
		if len(f.value) > f.limit {
			return conversation{}, badRequest("field %q is too long", f.name)
		}
		if !storable(f.value) {
			return conversation{}, badRequest("field %q is not text", f.name)
		}
	}
	if !storable(m.Body) {
		return conversation{}, badRequest("field %q is not text", names.body)
	}
	if utf8.RuneCountInString(m.Body) > maxText {
		return conversation{}, badRequest("field %q is too long", names.body)
	}
	return m.conversation(names)
}

func (m Text) conversation(names textFields) (c conversation, err error) {
	if c.customer, err = leadsvc.ParsePhone(m.From); err != nil {
		return c, badRequest("field %q is not a phone number", names.from)
	}
	if c.organization, err = leadsvc.ParsePhone(m.To); err != nil {
		return c, badRequest("field %q is not a phone number", names.to)
	}
	return c, nil
}

// storable says whether the database can keep s.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// answerText finds organization and lead of a text that was checked, stores
// it and answers.
func (h *Handler) answerText(ctx context.Context, m Text) (Answer, *lookup, error) {
	traced, l := startLookup(ctx)
	organization, err := h.opts.Service.OrganizationByPhone(traced, m.To)
	if err != nil {
		return Answer{}, l, fmt.Errorf("organization look-up: %w", err)
	}
	lead, err := h.opts.Service.FindOrCreateLead(traced, m.From, organization.ID)
	l.done()
	acked := time.Now()
	if err != nil {
		return Answer{}, l, fmt.Errorf("lead look-up: %w", err)
	}
	_, err = h.opts.Service.AppendMessage(ctx, leadsvc.Message{
		LeadID:     lead.ID,
		Content:    m.Body,
		SentBy:     leadsvc.SenderUser,
		Type:       leadsvc.ChannelSMS,
		ExternalID: m.ID, // a carrier that hears no answer sends again
	})
	if err != nil {
		return Answer{}, l, fmt.Errorf("text not stored: %w", err)
	}
	return Answer{
		ID:               m.ID,
		OrganizationID:   organization.ID,
		OrganizationName: organization.Name,
		LeadID:           lead.ID,
		LeadStatus:       string(lead.Status),
		CustomerName:     lead.CustomerName.String,
		Reply:            reply(organization, lead),
		Source:           l.source(),
		LookupNS:         l.took.Nanoseconds(),
		AckedAt:          acked.UnixNano(),
	}, l, nil
}

// reply stands for what an agent would write.
func reply(o leadsvc.Organization, l leadsvc.Lead) string {
	if l.CustomerName.String == "" {
		return "Thanks for your message to " + o.Name + "! May I have your name?"
	}
	return "Hello " + l.CustomerName.String + ", " + o.Name + " here. Let me look that up for you."
}
