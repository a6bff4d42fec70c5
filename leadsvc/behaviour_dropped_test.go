package leadsvc_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"leadcache/leadsvc"
)

// testDropped is about which keys a change takes from Redis. All others stay.
func testDropped(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("FindOrCreateLead: unknown organization, nothing cached", func(t *testing.T) {
		s := start(t)
		if _, err := s.a(t).FindOrCreateLead(t.Context(), phone, noOrg); !errors.Is(err, leadsvc.ErrUnknownOrganization) {
			t.Errorf("FindOrCreateLead: %v, want ErrUnknownOrganization", err)
		}
		s.wantKeys(t)
	})
	t.Run("FindOrCreateLead: drops what was not found", func(t *testing.T) {
		s := start(t)
		wantNoLead(t, s.b(t), phone, defaultOrg)
		s.wantHeld(t, digits+":"+defaultOrg)
		find(t, s.a(t), phone)
		s.wantKeys(t)
	})
	t.Run("FindLeadByPhone, OrganizationByPhone: a failed query is not cached", func(t *testing.T) {
		s := start(t)
		s.exec(t, `ALTER TABLE leads RENAME TO lost`)
		s.exec(t, `ALTER TABLE organizations RENAME TO lost_too`)
		if lead, err := s.a(t).FindLeadByPhone(t.Context(), phone, defaultOrg); err == nil {
			t.Errorf("FindLeadByPhone = %+v, want the database's error", lead)
		}
		if org, err := s.a(t).OrganizationByPhone(t.Context(), phone); err == nil {
			t.Errorf("OrganizationByPhone = %+v, want the database's error", org)
		}
		s.wantKeys(t)
	})
	t.Run("OrganizationByPhone: every outcome is cached under the number as given, the default one too", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Bici', '+16046700262')`, otherOrg)
		want := map[string]string{"+16046700262": "Bici", "604 670 0262": "Bici", "+17786528784": "Default", "anonymous": "Default"}
		var keys []string
		for number, name := range want {
			s.wantOrganization(t, 0, number, name)
			keys = append(keys, "bici:org:"+number)
		}
		s.wantKeys(t, keys...)
		for number, name := range want {
			s.wantOrganization(t, 1, number, name)
		}
		if q := s.nodes[1].db.Queries(); q != 0 {
			t.Errorf("the other node sent %d statements, want none", q)
		}
	})
	t.Run("UpdateLead: the lead's key and all its related caches", func(t *testing.T) {
		s := start(t)
		s.wantDropped(t, keysOf, func(n *node, lead leadsvc.Lead) error {
			_, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
			return err
		})
	})
	t.Run("UpdateLead: if phone or organization change, the old key and the new one", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
		lead := remember(t, s.a(t))
		wantNoLead(t, s.b(t), "6045550000", otherOrg)
		wantNoLead(t, s.b(t), "6045550000", defaultOrg)
		if _, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{
			PhoneNumber: leadsvc.Set("6045550000"), OrganizationID: leadsvc.Set(otherOrg),
		}); err != nil {
			t.Fatal(err)
		}
		s.wantKeys(t, "16045550000:"+defaultOrg) // still true
	})
	t.Run("UpdateLead: refused, nothing", func(t *testing.T) {
		s := start(t)
		none := func(leadsvc.Lead) []string { return nil }
		s.wantDropped(t, none, func(n *node, lead leadsvc.Lead) error {
			if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("anonymous")}); !errors.Is(err, leadsvc.ErrInvalidPhone) {
				return fmt.Errorf("UpdateLead: %w, want ErrInvalidPhone", err)
			}
			return nil
		})
	})
	t.Run("ClassifyLead: as UpdateLead", func(t *testing.T) {
		s := start(t)
		s.wantDropped(t, keysOf, func(n *node, lead leadsvc.Lead) error {
			_, err := n.ClassifyLead(t.Context(), lead.ID, leadsvc.Classification{PurchaseIntent: 1})
			return err
		})
	})
	t.Run("InvalidateLeadCaches: the lead's key and all related caches", func(t *testing.T) {
		s := start(t)
		s.wantDropped(t, keysOf, func(n *node, lead leadsvc.Lead) error {
			return n.InvalidateLeadCaches(t.Context(), lead.ID, "(778) 652-8784", defaultOrg)
		})
	})
	t.Run("InvalidateOrganizationCache: that number's key", func(t *testing.T) {
		s := start(t)
		number := func(leadsvc.Lead) []string { return []string{"bici:org:" + phone} }
		s.wantDropped(t, number, func(n *node, _ leadsvc.Lead) error {
			return n.InvalidateOrganizationCache(t.Context(), phone)
		})
	})
	t.Run("AppendMessage: that lead's conversations, context and greeting", func(t *testing.T) {
		s := start(t)
		s.wantDropped(t, spokenKeys, func(n *node, lead leadsvc.Lead) error {
			_, err := n.AppendMessage(t.Context(), leadsvc.Message{
				LeadID: lead.ID, Content: "hi", SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS,
			})
			return err
		})
	})
}

// wantDropped fails unless change takes these keys from Redis and no others of
// those that two leads and two organizations have.
func (s *scene) wantDropped(t *testing.T, dropped func(leadsvc.Lead) []string, change func(*node, leadsvc.Lead) error) {
	t.Helper()
	lead := s.filled(t)
	neighbour := find(t, s.a(t), "6045550000")
	s.speak(t, neighbour, "hello")
	for i := range s.nodes {
		ask(t, s.call(t, i), lead)
		ask(t, s.call(t, i), neighbour)
		s.wantOrganization(t, i, phone, "Default")
		s.wantOrganization(t, i, "6045550000", "Default")
	}
	all := slices.Concat(keysOf(lead), keysOf(neighbour), []string{"bici:org:" + phone, "bici:org:6045550000"})
	s.wantHeld(t, all...)
	if err := change(s.a(t), lead); err != nil {
		t.Fatal(err)
	}
	gone := dropped(lead)
	s.wantGone(t, gone...)
	s.wantHeld(t, slices.DeleteFunc(all, func(key string) bool { return slices.Contains(gone, key) })...)
}
