package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"leadcache/leadsvc"
)

// A Text is one text message, as a carrier hands it over. All fields are
// required.
type Text struct {
	ID   string `json:"id"`   // the carrier's name for it, at most 128 bytes
	From string `json:"from"` // phone number or SIP URI of the customer, at most 64 bytes
	To   string `json:"to"`   // the same of the organization
	Body string `json:"body"` // at most 1600 characters

	metadata leadsvc.JSON // what came with it
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

// errReusedID is returned for a text whose id its customer has used already.
var errReusedID = &refusal{http.StatusConflict, "id was used for another text"}

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
	if c.customer, err = leadsvc.ParsePhone(numberOf(m.From)); err != nil {
		return c, badRequest("field %q is not a phone number", names.from)
	}
	if c.organization, err = leadsvc.ParsePhone(numberOf(m.To)); err != nil {
		return c, badRequest("field %q is not a phone number", names.to)
	}
	return c, nil
}

// storable says whether the database can keep s.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// answerText finds organization and lead of a text that was checked, stores
// it and answers. A lead that was deleted or moved while it was remembered is
// forgotten, and looked up or made once more.
func (h *Handler) answerText(ctx context.Context, m Text) (Answer, *lookup, error) {
	a, err := h.address(ctx, m)
	if err != nil {
		return Answer{}, nil, err
	}
	err = h.store(ctx, a, m)
	if errors.Is(err, leadsvc.ErrNotFound) {
		h.forgot(h.opts.Service.InvalidateLeadCaches(ctx, a.lead.ID, numberOf(m.From), a.organization.ID))
		if a, err = h.address(ctx, m); err != nil {
			return Answer{}, nil, err
		}
		err = h.store(ctx, a, m)
	}
	if err != nil {
		return Answer{}, nil, err
	}
	return a.answer(m), a.lookup, nil
}

// An addressed text is one whose organization and lead are known.
type addressed struct {
	organization leadsvc.Organization
	lead         leadsvc.Lead
	lookup       *lookup
	acked        time.Time // when the look-ups returned
}

func (h *Handler) address(ctx context.Context, m Text) (a addressed, err error) {
	traced, l := startLookup(ctx)
	a.organization, a.lead, err = h.findLead(traced, numberOf(m.From), numberOf(m.To))
	l.done()
	a.lookup, a.acked = l, time.Now()
	return a, err
}

// store stores a text, once however often it arrives. Another text with its id
// is refused: to answer it would be to lose it.
func (h *Handler) store(ctx context.Context, a addressed, m Text) error {
	stored, err := h.opts.Service.AppendMessage(ctx, leadsvc.Message{
		LeadID:         a.lead.ID,
		OrganizationID: a.organization.ID,
		Content:        m.Body,
		SentBy:         leadsvc.SenderUser,
		Type:           leadsvc.ChannelSMS,
		Metadata:       m.metadata,
		ExternalID:     m.ID, // a carrier that hears no answer sends again
	})
	if err != nil {
		return fmt.Errorf("text not stored: %w", err)
	}
	if stored.Content != m.Body {
		return errReusedID
	}
	return nil
}

func (a addressed) answer(m Text) Answer {
	return Answer{
		ID:               m.ID,
		OrganizationID:   a.organization.ID,
		OrganizationName: a.organization.Name,
		LeadID:           a.lead.ID,
		LeadStatus:       string(a.lead.Status),
		CustomerName:     a.lead.CustomerName.String,
		Reply:            reply(a.organization, a.lead),
		Source:           a.lookup.source(),
		LookupNS:         a.lookup.took.Nanoseconds(),
		AckedAt:          a.acked.UnixNano(),
	}
}

// reply stands for what an agent would write.
func reply(o leadsvc.Organization, l leadsvc.Lead) string {
	organization, customer := plainName(o.Name), plainName(l.CustomerName.String)
	if customer == "" {
		return "Thanks for your message to " + organization + "! May I have your name?"
	}
	return "Hello " + customer + ", " + organization + " here. Let me look that up for you."
}
