package leadsvc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
)

// speak stores what belongs to a lead, past the nodes: one message, summary and
// call.
func (s *scene) speak(t testing.TB, lead leadsvc.Lead, words string) {
	t.Helper()
	s.exec(t, `INSERT INTO conversations (organization_id, lead_id, phone_number_normalized, content, sent_by, type)
		VALUES ($1, $2, $3, $4, 'agent', 'sms')`, lead.OrganizationID, lead.ID, lead.PhoneNumberNormalized, words)
	s.exec(t, `INSERT INTO conversation_summaries (organization_id, lead_id, summary) VALUES ($1, $2, $3)`,
		lead.OrganizationID, lead.ID, words)
	s.exec(t, `INSERT INTO call_sessions (organization_id, lead_id, call_sid, status) VALUES ($1, $2, $3, 'completed')`,
		lead.OrganizationID, lead.ID, words)
}

// limits are some that the old service knew and some that it did not.
var limits = []int{1, 5, 7, 10, 20, 333}

// related is all that a node says of a lead, as far as [scene.speak] and its
// name change it.
type related struct {
	Lead          leadsvc.Lead
	Conversations map[int][]leadsvc.Conversation // by limit
	Summaries     []leadsvc.Summary
	Session       leadsvc.CallSession
	Context       leadsvc.ConversationContext
	Greeting      string
}

// ask calls every method that reads what belongs to a lead.
func ask(t testing.TB, n *node, lead leadsvc.Lead) related {
	t.Helper()
	r := related{Conversations: make(map[int][]leadsvc.Conversation)}
	var errs [5]error
	r.Lead, errs[0] = n.FindLeadByPhone(t.Context(), lead.PhoneNumber, lead.OrganizationID)
	for _, limit := range limits {
		var err error
		r.Conversations[limit], err = n.Conversations(t.Context(), lead.ID, limit)
		errs[1] = errors.Join(errs[1], err)
	}
	r.Summaries, errs[2] = n.Summaries(t.Context(), lead.ID)
	r.Session, errs[3] = n.Session(t.Context(), lead.ID)
	r.Context, errs[4] = n.ConversationContext(t.Context(), lead.ID)
	var err error
	r.Greeting, err = n.Greeting(t.Context(), lead.ID)
	if err := errors.Join(append(errs[:], err)...); err != nil {
		t.Fatalf("read all of a lead: %v", err)
	}
	return r
}

// wantNews fails unless all that the nodes remember of a lead is as it is now
// in the database, after change.
func (s *scene) wantNews(t *testing.T, lead leadsvc.Lead, change func(*node) error) {
	t.Helper()
	s.speak(t, lead, "before")
	for i := range s.nodes {
		for range 2 {
			ask(t, s.call(t, i), lead)
		}
	}
	s.speak(t, lead, "after")
	s.exec(t, `UPDATE leads SET customer_name = 'Ann'`)
	if err := change(s.a(t)); err != nil {
		t.Fatal(err)
	}
	row, err := s.b(t).Lead(t.Context(), lead.ID) // never remembered
	if err != nil {
		t.Fatal(err)
	}
	s.fresh(t, func(n *node) string {
		return ask(t, n, lead).stale(row)
	})
}

// stale names something that is not from after the second time that speak was
// called, when the lead was as this row says.
func (r related) stale(row leadsvc.Lead) string {
	name := row.CustomerName.String
	for limit, messages := range r.Conversations {
		if len(messages) != min(limit, 2) || messages[len(messages)-1].Content != "after" {
			return fmt.Sprintf("before the last of %d messages", limit)
		}
	}
	switch {
	case r.Lead != row:
		return "before the lead was changed"
	case len(r.Summaries) != 2 || r.Summaries[0].Summary != "after":
		return "before the last summary"
	case r.Session.CallSID.String != "after":
		return "before the last call"
	case !strings.Contains(r.Context.Text, name):
		return "before the context had the lead's name"
	case !strings.Contains(r.Context.Text, "after"):
		return "before the context had what was said last"
	case !strings.Contains(r.Greeting, name):
		return "before the greeting had the lead's name"
	default:
		return ""
	}
}

func testRelated(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("read-through like the rest", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.speak(t, lead, "hello")
		want := ask(t, s.a(t), lead)
		for range 2 {
			for i := range s.nodes {
				if diff := cmp.Diff(want, ask(t, s.call(t, i), lead)); diff != "" {
					t.Errorf("asked again (-want +got):\n%s", diff)
				}
			}
		}
	})
	t.Run("conversations: the last ones from the conversations table, in the order in which they were sent", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		words := []string{"one", "two", "three", "four", "five", "six", "seven", "eight"}
		for i, word := range words {
			s.exec(t, `INSERT INTO conversations (organization_id, lead_id, content, sent_by, type, "timestamp", metadata)
				VALUES ($1, $2, $3, 'user', 'sms', $4, '{"n": 1}')`, defaultOrg, lead.ID, word, time.Unix(int64(i), 0))
		}
		for _, limit := range []int{1, 3, 7, 8, 9, 333} {
			got, err := s.a(t).Conversations(t.Context(), lead.ID, limit)
			if err != nil {
				t.Fatalf("Conversations(%d): %v", limit, err)
			}
			var said []string
			for _, c := range got {
				said = append(said, c.Content)
				if c.LeadID != lead.ID || c.OrganizationID != defaultOrg || c.SentBy != leadsvc.SenderUser ||
					c.Type != leadsvc.ChannelSMS || c.Metadata != `{"n":1}` {
					t.Errorf("Conversations(%d) has %+v", limit, c)
				}
			}
			if diff := cmp.Diff(words[len(words)-min(limit, len(words)):], said); diff != "" {
				t.Errorf("Conversations(%d) (-want +got):\n%s", limit, diff)
			}
		}
	})
	t.Run("any limit", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.speak(t, lead, "hello")
		for limit := 1; limit <= leadsvc.MaxConversations; limit += 111 {
			if got, err := s.a(t).Conversations(t.Context(), lead.ID, limit); err != nil || len(got) != 1 {
				t.Errorf("Conversations(%d) = %+v, %v, want one", limit, got, err)
			}
		}
		for _, limit := range []int{0, -1, leadsvc.MaxConversations + 1} {
			if got, err := s.a(t).Conversations(t.Context(), lead.ID, limit); !errors.Is(err, leadsvc.ErrInvalid) {
				t.Errorf("Conversations(%d) = %+v, %v, want ErrInvalid", limit, got, err)
			}
		}
	})
	t.Run("summaries: from conversation_summaries, the newest first", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.speak(t, lead, "older")
		s.speak(t, lead, "newer")
		got, err := s.a(t).Summaries(t.Context(), lead.ID)
		if err != nil || len(got) != 2 || got[0].Summary != "newer" || got[1].Summary != "older" {
			t.Errorf("Summaries = %+v, %v, want newer, older", got, err)
		}
	})
	t.Run("session: the newest of call_sessions", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.speak(t, lead, "older")
		s.speak(t, lead, "newer")
		got, err := s.a(t).Session(t.Context(), lead.ID)
		if err != nil || got.CallSID.String != "newer" || got.LeadID != lead.ID || got.Status.String != "completed" {
			t.Errorf("Session = %+v, %v, want the newer one", got, err)
		}
	})
	t.Run("conversation context and greeting: of the lead", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		if _, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")}); err != nil {
			t.Fatal(err)
		}
		s.speak(t, lead, "hello")
		about, err := s.b(t).ConversationContext(t.Context(), lead.ID)
		if err != nil || about.LeadID != lead.ID || about.OrganizationID != defaultOrg ||
			!strings.Contains(about.Text, "Ann") || !strings.Contains(about.Text, "hello") {
			t.Errorf("ConversationContext = %+v, %v, want the lead, its name and what was said", about, err)
		}
		if greeting, err := s.b(t).Greeting(t.Context(), lead.ID); err != nil || !strings.Contains(greeting, "Ann") {
			t.Errorf("Greeting = %q, %v, want the lead's name", greeting, err)
		}
	})
	t.Run("of nobody: no conversations, no summaries, else ErrNotFound", func(t *testing.T) {
		s := start(t)
		for i := range s.nodes {
			for _, id := range []string{noOrg, "nobody"} {
				messages, err := s.call(t, i).Conversations(t.Context(), id, 5)
				if err != nil || len(messages) != 0 {
					t.Errorf("Conversations(%q) = %+v, %v, want none", id, messages, err)
				}
				summaries, err := s.call(t, i).Summaries(t.Context(), id)
				if err != nil || len(summaries) != 0 {
					t.Errorf("Summaries(%q) = %+v, %v, want none", id, summaries, err)
				}
				_, sessionErr := s.call(t, i).Session(t.Context(), id)
				_, contextErr := s.call(t, i).ConversationContext(t.Context(), id)
				_, greetingErr := s.call(t, i).Greeting(t.Context(), id)
				for _, err := range []error{sessionErr, contextErr, greetingErr} {
					if !errors.Is(err, leadsvc.ErrNotFound) {
						t.Errorf("Session, ConversationContext or Greeting of %q: %v, want ErrNotFound", id, err)
					}
				}
			}
		}
	})
}

func testAppendMessage(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("stores one conversation message", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		stored, err := s.a(t).AppendMessage(t.Context(), leadsvc.Message{
			LeadID: lead.ID, Content: "hi", SentBy: leadsvc.SenderHumanAgent, Type: leadsvc.ChannelEmail, Timestamp: at, Metadata: `{"a":1}`,
		})
		want := leadsvc.Conversation{
			ID: stored.ID, OrganizationID: defaultOrg, LeadID: lead.ID, PhoneNumberNormalized: text(digits), Content: "hi",
			SentBy: leadsvc.SenderHumanAgent, Type: leadsvc.ChannelEmail, Timestamp: at, Metadata: `{"a":1}`,
		}
		if err != nil || stored != want || stored.ID == "" {
			t.Errorf("AppendMessage = %+v, %v, want %+v", stored, err, want)
		}
		got, err := s.b(t).Conversations(t.Context(), lead.ID, 7)
		if diff := cmp.Diff([]leadsvc.Conversation{want}, got); err != nil || diff != "" {
			t.Errorf("Conversations: %v (-want +got):\n%s", err, diff)
		}
	})
	t.Run("drops that lead's conversations, context and greeting, everywhere", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.exec(t, `INSERT INTO call_sessions (organization_id, lead_id) VALUES ($1, $2)`, defaultOrg, lead.ID)
		var before related
		for i := range s.nodes {
			before = ask(t, s.call(t, i), lead)
		}
		if _, err := s.a(t).AppendMessage(t.Context(), leadsvc.Message{
			LeadID: lead.ID, Content: "welcome", SentBy: leadsvc.SenderAgent, Type: leadsvc.ChannelSMS,
		}); err != nil {
			t.Fatal(err)
		}
		s.fresh(t, func(n *node) string {
			got := ask(t, n, lead)
			for limit, messages := range got.Conversations {
				if len(messages) != 1 {
					return fmt.Sprintf("before the first of %d messages", limit)
				}
			}
			switch {
			case !strings.Contains(got.Context.Text, "welcome"):
				return "before the context had the message"
			case got.Greeting == before.Greeting:
				return "before the lead was answered"
			default:
				return ""
			}
		})
	})
	t.Run("no such lead: ErrNotFound", func(t *testing.T) {
		s := start(t)
		m := leadsvc.Message{LeadID: noOrg, Content: "hi", SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS}
		if got, err := s.a(t).AppendMessage(t.Context(), m); !errors.Is(err, leadsvc.ErrNotFound) {
			t.Errorf("AppendMessage = %+v, %v, want ErrNotFound", got, err)
		}
	})
}
