package leadsvc_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
)

func testUpdateLead(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("partial update of the row", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		want := lead
		for _, step := range []struct {
			column  string
			changes leadsvc.LeadChanges
			expect  func(*leadsvc.Lead)
		}{
			{"customer_name", leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")}, func(l *leadsvc.Lead) { l.CustomerName = text("Ann") }},
			{"email", leadsvc.LeadChanges{Email: leadsvc.Set("ann@example.org")}, func(l *leadsvc.Lead) { l.Email = text("ann@example.org") }},
			{"status", leadsvc.LeadChanges{Status: leadsvc.Set(leadsvc.StatusClosed)}, func(l *leadsvc.Lead) { l.Status = leadsvc.StatusClosed }},
			{"sentiment", leadsvc.LeadChanges{Sentiment: leadsvc.Set(leadsvc.SentimentNegative)}, func(l *leadsvc.Lead) { l.Sentiment = leadsvc.SentimentNegative }},
			{"bike_interest", leadsvc.LeadChanges{BikeInterest: leadsvc.Set(leadsvc.JSON(`{"type":"gravel"}`))}, func(l *leadsvc.Lead) { l.BikeInterest = `{"type":"gravel"}` }},
			{"qualification_data", leadsvc.LeadChanges{QualificationData: leadsvc.Set(leadsvc.JSON(`{"a":1}`))}, func(l *leadsvc.Lead) { l.QualificationData = `{"a":1}` }},
			{"last_contact_at", leadsvc.LeadChanges{LastContactAt: leadsvc.Set(at)}, func(l *leadsvc.Lead) { l.LastContactAt.Time, l.LastContactAt.Valid = at, true }},
			{"nothing", leadsvc.LeadChanges{}, func(*leadsvc.Lead) {}},
			{"no email", leadsvc.LeadChanges{Email: leadsvc.Null[string]()}, func(l *leadsvc.Lead) { l.Email.String, l.Email.Valid = "", false }},
		} {
			got, err := s.a(t).UpdateLead(t.Context(), lead.ID, step.changes)
			if err != nil {
				t.Fatalf("UpdateLead of %s: %v", step.column, err)
			}
			step.expect(&want)
			want.UpdatedAt = got.UpdatedAt
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("UpdateLead of %s (-want +got):\n%s", step.column, diff)
			}
		}
		s.seen(t, "the changes", func(n *node) bool { return find(t, n, phone) == want })
	})
	t.Run("updated_at set by the database", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		first, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{})
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.b(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{})
		if err != nil || !first.UpdatedAt.After(lead.UpdatedAt) || !second.UpdatedAt.After(first.UpdatedAt) {
			t.Errorf("updated_at is %v, then %v, then %v (%v), want it to grow", lead.UpdatedAt, first.UpdatedAt, second.UpdatedAt, err)
		}
	})
	t.Run("then the lead's key and all its related caches are invalidated on every node before it returns", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.wantNews(t, lead, func(n *node) error {
			_, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Zoe")})
			return err
		})
	})
	t.Run("returns the new row", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		got, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
		if err != nil || got.CustomerName.String != "Ann" {
			t.Fatalf("UpdateLead = %+v, %v, want the name", got, err)
		}
		if stored, err := s.b(t).Lead(t.Context(), lead.ID); err != nil || stored != got {
			t.Errorf("UpdateLead = %+v, the row is %+v, %v", got, stored, err)
		}
	})
	t.Run("not found: ErrNotFound", func(t *testing.T) {
		s := start(t)
		for _, id := range []string{noOrg, "", "nobody"} {
			if got, err := s.a(t).UpdateLead(t.Context(), id, leadsvc.LeadChanges{}); !errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("UpdateLead(%q) = %+v, %v, want ErrNotFound", id, got, err)
			}
		}
	})
	t.Run("if phone or organization change, the old key and the new one are both invalidated", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
		lead := find(t, s.a(t), phone)
		for i := range s.nodes {
			find(t, s.call(t, i), phone)
			wantNoLead(t, s.call(t, i), "6045550000", defaultOrg)
			wantNoLead(t, s.call(t, i), "6045550000", otherOrg)
		}
		for _, step := range []struct {
			changes                              leadsvc.LeadChanges
			oldPhone, oldOrg, newPhone, newOrgID string
		}{
			{leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("(604) 555-0000")}, phone, defaultOrg, "6045550000", defaultOrg},
			{leadsvc.LeadChanges{OrganizationID: leadsvc.Set(otherOrg)}, "6045550000", defaultOrg, "6045550000", otherOrg},
			{leadsvc.LeadChanges{PhoneNumber: leadsvc.Set(phone), OrganizationID: leadsvc.Set(defaultOrg)}, "6045550000", otherOrg, phone, defaultOrg},
		} {
			want, err := s.a(t).UpdateLead(t.Context(), lead.ID, step.changes)
			if err != nil {
				t.Fatalf("UpdateLead: %v", err)
			}
			s.seen(t, "the old key to be nobody's", func(n *node) bool {
				_, err := n.FindLeadByPhone(t.Context(), step.oldPhone, step.oldOrg)
				return errors.Is(err, leadsvc.ErrNotFound)
			})
			s.seen(t, "the lead under the new key", func(n *node) bool {
				got, err := n.FindLeadByPhone(t.Context(), step.newPhone, step.newOrgID)
				return err == nil && got == want
			})
		}
	})
}

func testClassifyLead(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("purchase intent > 0.8: hot; else appointment: qualified; else engaged: contacted; else new", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		for _, test := range []struct {
			intent               float64
			appointment, engaged bool
			want                 leadsvc.Status
		}{
			{0.81, false, false, leadsvc.StatusHot},
			{1, true, true, leadsvc.StatusHot},
			{0.8, true, true, leadsvc.StatusQualified},
			{0, true, false, leadsvc.StatusQualified},
			{0.8, false, true, leadsvc.StatusContacted},
			{0.8, false, false, leadsvc.StatusNew},
		} {
			got, err := s.a(t).ClassifyLead(t.Context(), lead.ID, leadsvc.Classification{
				PurchaseIntent: test.intent, AppointmentScheduled: test.appointment, Engaged: test.engaged,
			})
			if err != nil || got.Status != test.want {
				t.Errorf("ClassifyLead(%+v) has status %q, %v, want %q", test, got.Status, err, test.want)
			}
		}
	})
	t.Run("qualification data: ready_to_buy = intent > 0.7, timeline, purchase_intent, contact_preference phone", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		for intent, ready := range map[float64]bool{0.71: true, 0.7: false} {
			got, err := s.a(t).ClassifyLead(t.Context(), lead.ID, leadsvc.Classification{PurchaseIntent: intent, Timeline: "in May"})
			if err != nil {
				t.Fatalf("ClassifyLead: %v", err)
			}
			var data map[string]any
			if err := json.Unmarshal([]byte(got.QualificationData), &data); err != nil {
				t.Errorf("qualification_data is %q: %v", got.QualificationData, err)
			}
			want := map[string]any{"ready_to_buy": ready, "timeline": "in May", "purchase_intent": intent, "contact_preference": "phone"}
			if diff := cmp.Diff(want, data); diff != "" {
				t.Errorf("qualification_data (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("goes through UpdateLead", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.wantNews(t, lead, func(n *node) error {
			_, err := n.ClassifyLead(t.Context(), lead.ID, leadsvc.Classification{PurchaseIntent: 1})
			return err
		})
		s.seen(t, "the new status", func(n *node) bool { return find(t, n, phone).Status == leadsvc.StatusHot })
		if _, err := s.a(t).ClassifyLead(t.Context(), noOrg, leadsvc.Classification{}); !errors.Is(err, leadsvc.ErrNotFound) {
			t.Errorf("ClassifyLead of nobody: %v, want ErrNotFound", err)
		}
	})
}

func testInvalidateLeadCaches(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("drops the lead's key and all related caches, on every node", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		s.wantNews(t, lead, func(n *node) error {
			err := n.InvalidateLeadCaches(t.Context(), lead.ID, "778-652-8784", defaultOrg)
			if s.told(err) {
				return nil
			}
			return err
		})
	})
}
