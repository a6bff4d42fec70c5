package leadsvc

import "context"

// AppendMessage stores one message of a conversation and returns it. Before it
// returns, the lead's conversations, context and greeting are invalidated on
// every node. A message whose ExternalID its lead has already is not stored
// again: the stored one is returned. It returns [ErrNotFound] if there is no
// such lead, [ErrUnknownOrganization] if the lead's own is gone,
// [ErrConflict] if another organization has a message of that name, and
// [ErrInvalid] for a value that is not allowed. When ctx ends the caller is
// answered at once, and a message that is being stored is stored all the same
// unless the database keeps it waiting.
func (s *Service) AppendMessage(ctx context.Context, m Message) (Conversation, error) {
	return start(ctx, s.writer, m.LeadID, func(ctx context.Context) (Conversation, error) {
		stored, err := s.db.AppendMessage(ctx, m)
		if !refused(err) { // it is stored, or may be
			s.invalidate(ctx, s.said(m.LeadID)...)
		}
		return stored, err
	}).wait(ctx)
}
