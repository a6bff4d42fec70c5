package leadsvc

import (
	"context"
	"fmt"
	"slices"
)

// MaxConversations is the largest limit that [Service.Conversations] takes: no
// prompt has room for more.
const MaxConversations = 1000

// maxID bounds an identifier, in bytes. A longer one is nobody's, and is kept
// from filling the caches.
const maxID = 255

func isID(s string) bool { return s != "" && len(s) <= maxID }

// Conversations returns the last messages of a lead, at most limit of them, in
// the order in which they were sent. The slice is the caller's own. A lead
// without messages, or an unknown one, has an empty one. A limit below 1 or
// above [MaxConversations] is [ErrInvalid].
func (s *Service) Conversations(ctx context.Context, leadID string, limit int) ([]Conversation, error) {
	if limit < 1 || limit > MaxConversations {
		return nil, fmt.Errorf("leadsvc: conversations: limit %d, want 1 to %d: %w", limit, MaxConversations, ErrInvalid)
	}
	if !isID(leadID) {
		return []Conversation{}, nil
	}
	fits := func(all []Conversation) bool {
		return !slices.ContainsFunc(all, func(c Conversation) bool { return c.LeadID != leadID })
	}
	all, err := ours(ctx, s, s.conversations, conversationsKey{leadID, limit}, s.loadConversations, fits)
	return slices.Clone(all), err
}

func (s *Service) loadConversations(ctx context.Context, key conversationsKey) ([]Conversation, error) {
	return s.db.Conversations(ctx, key.leadID, key.limit)
}

// Summaries returns the summaries of a lead's conversations, the newest first
// and at most 100. The slice is the caller's own. A lead without summaries, or
// an unknown one, has an empty one.
func (s *Service) Summaries(ctx context.Context, leadID string) ([]Summary, error) {
	if !isID(leadID) {
		return []Summary{}, nil
	}
	fits := func(all []Summary) bool {
		return !slices.ContainsFunc(all, func(s Summary) bool { return s.LeadID != leadID })
	}
	all, err := ours(ctx, s, s.summaries, leadID, s.db.Summaries, fits)
	return slices.Clone(all), err
}

// Session returns the newest call of a lead, or [ErrNotFound].
func (s *Service) Session(ctx context.Context, leadID string) (CallSession, error) {
	if !isID(leadID) {
		return CallSession{}, ErrNotFound
	}
	return ours(ctx, s, s.sessions, leadID, s.db.CallSession, func(c CallSession) bool { return c.LeadID == leadID })
}

// ConversationContext returns what an agent should know before it answers a
// lead, or [ErrNotFound] if there is no such lead.
func (s *Service) ConversationContext(ctx context.Context, leadID string) (ConversationContext, error) {
	if !isID(leadID) {
		return ConversationContext{}, ErrNotFound
	}
	return ours(ctx, s, s.contexts, leadID, s.loadContext, func(c ConversationContext) bool { return c.LeadID == leadID })
}

// Greeting returns the words with which an agent should begin a conversation
// with a lead, or [ErrNotFound] if there is no such lead.
func (s *Service) Greeting(ctx context.Context, leadID string) (string, error) {
	if !isID(leadID) {
		return "", ErrNotFound
	}
	return s.greetings.Get(ctx, leadID)
}
