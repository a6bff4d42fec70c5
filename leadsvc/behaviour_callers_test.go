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
	errs := make(map[string]error)
	for method, call := range calls(n, phone, leadID) {
		errs[method] = call(ctx)
	}
	return errs
}

// calls are those of askAll.
func calls(n *node, phone, leadID string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"FindLeadByPhone":     calling(func(ctx context.Context) (any, error) { return n.FindLeadByPhone(ctx, phone, defaultOrg) }),
		"FindOrCreateLead":    calling(func(ctx context.Context) (any, error) { return n.FindOrCreateLead(ctx, phone, defaultOrg) }),
		"OrganizationByPhone": calling(func(ctx context.Context) (any, error) { return n.OrganizationByPhone(ctx, phone) }),
		"Lead":                calling(func(ctx context.Context) (any, error) { return n.Lead(ctx, leadID) }),
		"UpdateLead":          calling(func(ctx context.Context) (any, error) { return n.UpdateLead(ctx, leadID, leadsvc.LeadChanges{}) }),
		"ClassifyLead":        calling(func(ctx context.Context) (any, error) { return n.ClassifyLead(ctx, leadID, leadsvc.Classification{}) }),
		"Conversations":       calling(func(ctx context.Context) (any, error) { return n.Conversations(ctx, leadID, 7) }),
		"Summaries":           calling(func(ctx context.Context) (any, error) { return n.Summaries(ctx, leadID) }),
		"Session":             calling(func(ctx context.Context) (any, error) { return n.Session(ctx, leadID) }),
		"ConversationContext": calling(func(ctx context.Context) (any, error) { return n.ConversationContext(ctx, leadID) }),
		"Greeting":            calling(func(ctx context.Context) (any, error) { return n.Greeting(ctx, leadID) }),
		"AppendMessage":       func(ctx context.Context) error { return message(ctx, n, leadID) },
	}
}

func calling(call func(context.Context) (any, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx)
		return err
	}
}

// message stores a message of a lead.
func message(ctx context.Context, n *node, leadID string) error {
	_, err := n.AppendMessage(ctx, leadsvc.Message{LeadID: leadID, SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS})
	return err
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
