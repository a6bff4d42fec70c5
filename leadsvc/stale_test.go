package leadsvc_test

import (
	"errors"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// What has expired is served, and said to be stale, while the database is out;
// writes are refused.
func TestServeStale(t *testing.T) {
	t.Parallel()
	for name, start := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t)
			const ttl = 2 * time.Second
			n := o.add(t, leadsvc.Config{
				LeadTTL: ttl, OrganizationTTL: ttl, ContextTTL: ttl, ConversationsTTL: ttl, SummariesTTL: ttl,
				SessionTTL: ttl, GreetingTTL: ttl, ServeStale: time.Hour,
			})
			servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
			lead := find(t, n, phone)
			find(t, n, phone)
			if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
				t.Fatal(err)
			}
			greeting, err := n.Greeting(t.Context(), lead.ID)
			if err != nil {
				t.Fatal(err)
			}
			o.begin(t)
			servertest.Eventually(t, longest, func() bool {
				got, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
				if got != lead {
					t.Fatalf("FindOrCreateLead = %+v, %v, want %+v", got, err, lead)
				}
				stale, ok := errors.AsType[*leadsvc.StaleError](err)
				return ok && stale.Age > 0 && errors.Is(err, leadsvc.ErrUnavailable)
			}, "the lead to be stale")
			got, err := n.Greeting(t.Context(), lead.ID)
			if _, ok := errors.AsType[*leadsvc.StaleError](err); got != greeting || err != nil && !ok {
				t.Errorf("Greeting = %q, %v, want %q", got, err, greeting)
			}
			if org, err := n.OrganizationByPhone(t.Context(), phone); org.Name != "Default" {
				t.Errorf("OrganizationByPhone = %+v, %v, want it", org, err)
			}
			if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); !errors.Is(err, leadsvc.ErrUnavailable) {
				t.Errorf("UpdateLead: %v, want ErrUnavailable", err)
			}
			o.end(t)
			servertest.Eventually(t, longest, func() bool {
				got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
				return err == nil && got == lead
			}, "the lead to be fresh again")
		})
	}
}
