package leadsvc

import (
	"cmp"
	"context"
	"slices"
)

// loadGreeting asks the database alone, as loadContext does.
func (s *Service) loadGreeting(ctx context.Context, leadID string) (string, error) {
	b, err := s.loadBackground(ctx, leadID)
	if err != nil {
		return "", err
	}
	return b.greeting(), nil
}

// greeting returns one sentence to be spoken or sent.
func (b background) greeting() string {
	name := prefixed(", ", oneLine(b.lead.CustomerName.String, maxName))
	organization := oneLine(b.organization, maxName)
	switch {
	case b.answered():
		return "Welcome back" + prefixed(" to ", organization) + name + ", how can I help you today?"
	case name != "":
		return "Hello" + name + ", thank you for contacting " + cmp.Or(organization, "us") + ", how can I help you today?"
	default:
		return "Hello and welcome" + prefixed(" to ", organization) + ", how can I help you today?"
	}
}

// answered says whether somebody has answered this lead before. What it wrote
// itself may be the message that asks for the greeting.
func (b background) answered() bool {
	return len(b.summaries) > 0 || slices.ContainsFunc(b.messages, func(m Conversation) bool {
		return m.SentBy == SenderAgent || m.SentBy == SenderHumanAgent
	})
}

// prefixed returns text after prefix, or nothing if there is no text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
