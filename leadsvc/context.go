package leadsvc

import "context"

// ConversationContext is what an agent should know before it answers a lead.
type ConversationContext struct {
	LeadID         string `json:"lead_id"`
	OrganizationID string `json:"organization_id"`
	Text           string `json:"text"`
}

// loadContext asks the database alone: what the other caches hold may be older
// than the change that made it necessary.
func (s *Service) loadContext(ctx context.Context, leadID string) (ConversationContext, error) {
	lead, err := s.db.Lead(ctx, leadID)
	if err != nil {
		return ConversationContext{}, err
	}
	return ConversationContext{LeadID: lead.ID, OrganizationID: lead.OrganizationID}, nil
}

// loadGreeting asks the database alone, as loadContext does.
func (s *Service) loadGreeting(ctx context.Context, leadID string) (string, error) {
	lead, err := s.db.Lead(ctx, leadID)
	if err != nil {
		return "", err
	}
	return "Hello " + lead.CustomerName.String, nil
}
