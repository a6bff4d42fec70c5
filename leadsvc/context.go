package leadsvc

import (
	"context"
	"errors"
	"time"
)

// ConversationContext is what an agent should know before it answers a lead.
// It can be compared and shared.
type ConversationContext struct {
	LeadID            string    `json:"lead_id"`
	OrganizationID    string    `json:"organization_id"`
	CustomerName      string    `json:"customer_name"` // empty: not known
	Status            Status    `json:"status"`
	Sentiment         Sentiment `json:"sentiment"`
	BikeInterest      JSON      `json:"bike_interest"`
	QualificationData JSON      `json:"qualification_data"`
	LastContactAt     time.Time `json:"last_contact_at,omitzero"` // zero: never

	// Text is the same for a prompt, with the latest summaries and messages,
	// in at most 8 KiB. What people wrote stands in one line each, so that
	// nobody can write what looks like the words of another.
	Text string `json:"text"`
}

// loadContext asks the database alone: what the other caches hold may be older
// than the change that made it necessary.
func (s *Service) loadContext(ctx context.Context, leadID string) (ConversationContext, error) {
	b, err := s.loadBackground(ctx, leadID)
	if err != nil {
		return ConversationContext{}, err
	}
	return ConversationContext{
		LeadID:            b.lead.ID,
		OrganizationID:    b.lead.OrganizationID,
		CustomerName:      b.lead.CustomerName.String,
		Status:            b.lead.Status,
		Sentiment:         b.lead.Sentiment,
		BikeInterest:      b.lead.BikeInterest,
		QualificationData: b.lead.QualificationData,
		LastContactAt:     b.lead.LastContactAt.Time,
		Text:              b.prompt(),
	}, nil
}

const (
	contextMessages  = 10 // the last ones, in a context
	contextSummaries = 3  // the latest ones
)

// A background is what the database knows of a lead and what was said.
type background struct {
	lead         Lead
	organization string         // its name; empty: none
	messages     []Conversation // the last ones, in the order in which they were sent
	summaries    []Summary      // the latest ones, the newest first
}

func (s *Service) loadBackground(ctx context.Context, leadID string) (b background, err error) {
	if b.lead, err = s.db.Lead(ctx, leadID); err != nil {
		return background{}, err
	}
	organization, err := s.db.Organization(ctx, b.lead.OrganizationID)
	if err != nil && !errors.Is(err, ErrNotFound) { // leads of the old service may have none
		return background{}, err
	}
	b.organization = organization.Name
	if b.messages, err = s.db.Conversations(ctx, leadID, contextMessages); err != nil {
		return background{}, err
	}
	if b.summaries, err = s.db.Summaries(ctx, leadID); err != nil {
		return background{}, err
	}
	b.summaries = b.summaries[:min(contextSummaries, len(b.summaries))]
	return b, nil
}
