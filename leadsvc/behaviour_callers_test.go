package leadsvc_test

import (
	"context"
	"errors"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

func testCallers(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("caller's context ends: that caller returns at once, the load goes on for the others who wait", func(t *testing.T) {
		s := start(t)
		want := find(t, s.a(t), phone)
		if err := s.a(t).InvalidateLeadCaches(t.Context(), want.ID, phone, defaultOrg); !s.told(err) {
			t.Fatal(err)
		}
		n := s.a(t)
		show := s.hideLeads(t)
		asked := n.Stats()["lead"].Gets
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		impatient, patient := make(chan error, 1), make(chan error, 1)
		find := func(ctx context.Context, done chan<- error) {
			lead, err := n.FindLeadByPhone(ctx, phone, defaultOrg)
			if err == nil && lead != want {
				t.Errorf("FindLeadByPhone = %+v, want %+v", lead, want)
			}
			done <- err
		}
		go find(ctx, impatient)
		servertest.Eventually(t, soon, func() bool { return s.blocked(t) > 0 }, "the load to reach the database")
		go find(t.Context(), patient)
		servertest.Eventually(t, soon, func() bool { return n.Stats()["lead"].Gets == asked+2 }, "both to ask")
		leave()
		if err := <-impatient; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who left: %v, want context.Canceled", err)
		}
		show()
		if err := <-patient; err != nil {
			t.Errorf("the caller who waits: %v, want the lead", err)
		}
	})
	t.Run("a context that has ended already: its error, from every method", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for method, err := range askAll(ctx, s.a(t), "+16045550000", lead.ID) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want context.Canceled", method, err)
			}
		}
	})
}

// askAll calls every method that asks the database for what is not cached, and
// returns their errors.
func askAll(ctx context.Context, n *node, phone, leadID string) map[string]error {
	_, findErr := n.FindLeadByPhone(ctx, phone, defaultOrg)
	_, createErr := n.FindOrCreateLead(ctx, phone, defaultOrg)
	_, organizationErr := n.OrganizationByPhone(ctx, phone)
	_, leadErr := n.Lead(ctx, leadID)
	_, updateErr := n.UpdateLead(ctx, leadID, leadsvc.LeadChanges{})
	_, classifyErr := n.ClassifyLead(ctx, leadID, leadsvc.Classification{})
	_, conversationsErr := n.Conversations(ctx, leadID, 7)
	_, summariesErr := n.Summaries(ctx, leadID)
	_, sessionErr := n.Session(ctx, leadID)
	_, contextErr := n.ConversationContext(ctx, leadID)
	_, greetingErr := n.Greeting(ctx, leadID)
	_, appendErr := n.AppendMessage(ctx, leadsvc.Message{LeadID: leadID, SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS})
	return map[string]error{
		"FindLeadByPhone": findErr, "FindOrCreateLead": createErr, "OrganizationByPhone": organizationErr, "Lead": leadErr,
		"UpdateLead": updateErr, "ClassifyLead": classifyErr, "Conversations": conversationsErr, "Summaries": summariesErr,
		"Session": sessionErr, "ConversationContext": contextErr, "Greeting": greetingErr, "AppendMessage": appendErr,
	}
}

// hideLeads keeps everyone from reading leads until show is called.
func (f *fleet) hideLeads(t testing.TB) (show func()) {
	t.Helper()
	f.exec(t, `BEGIN`)
	f.exec(t, `LOCK TABLE leads IN ACCESS EXCLUSIVE MODE`)
	return func() {
		t.Helper()
		f.exec(t, `COMMIT`)
	}
}
