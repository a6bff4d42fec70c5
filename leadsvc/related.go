package leadsvc

import (
	"context"
	"fmt"
)

// MaxConversations is the largest limit that [Service.Conversations] takes: no
// prompt has room for more.
const MaxConversations = 1000

// Conversations returns the last messages of a lead, at most limit of them, in
// the order in which they were sent. The slice is the caller's own. A lead
// without messages, or an unknown one, has an empty one. A limit below 1 or
// above [MaxConversations] is [ErrInvalid].
func (s *Service) Conversations(ctx context.Context, leadID string, limit int) ([]Conversation, error) {
	if limit < 1 || limit > MaxConversations {
		return nil, fmt.Errorf("leadsvc: conversations: limit %d, want 1 to %d: %w", limit, MaxConversations, ErrInvalid)
	}
	return s.db.Conversations(ctx, leadID, limit)
}

// Summaries returns the summaries of a lead's conversations, the newest first
// and at most 100. The slice is the caller's own. A lead without summaries, or
// an unknown one, has an empty one.
func (s *Service) Summaries(ctx context.Context, leadID string) ([]Summary, error) {
	return s.db.Summaries(ctx, leadID)
}

// Session returns the newest call of a lead, or [ErrNotFound].
func (s *Service) Session(ctx context.Context, leadID string) (CallSession, error) {
	return s.db.CallSession(ctx, leadID)
}

// ConversationContext returns what an agent should know before it answers a
// lead, or [ErrNotFound] if there is no such lead.
func (s *Service) ConversationContext(ctx context.Context, leadID string) (ConversationContext, error) {
	return s.loadContext(ctx, leadID)
}

// Greeting returns the words with which an agent should begin a conversation
// with a lead, or [ErrNotFound] if there is no such lead.
func (s *Service) Greeting(ctx context.Context, leadID string) (string, error) {
	return s.loadGreeting(ctx, leadID)
}
