package leadsvc_test

import (
	"errors"
	"strings"
	"testing"

	"leadcache/leadsvc"
)

func testNumbers(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("normalized phone: drop every character that is not a digit", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "+1 (778) 652-8784 ", "17786528784")
	})
	t.Run("10 digits: prefix 1", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "778-652-8784", "17786528784")
	})
	t.Run("11 digits beginning with 1: as it is", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "17786528784", "17786528784")
	})
	t.Run("otherwise the digits as they are", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "+44 20 7946 0958", "442079460958")
		s.wantNormalized(t, "27786528784", "27786528784") // 11, not beginning with 1
	})
	// A lead that was made by one spelling of its number is named by others.
	t.Run("one function, used by every method", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), "(778) 652-8784")
		for _, spelling := range []string{"7786528784", "+17786528784", "1-778-652-8784"} {
			if got := find(t, s.b(t), spelling); got != lead {
				t.Errorf("FindOrCreateLead(%s) = %+v, want %+v", spelling, got, lead)
			}
			if got, err := s.a(t).FindLeadByPhone(t.Context(), spelling, defaultOrg); err != nil || got != lead {
				t.Errorf("FindLeadByPhone(%s) = %+v, %v, want %+v", spelling, got, err, lead)
			}
		}

		s.exec(t, `UPDATE leads SET customer_name = 'Ann'`)
		if err := s.a(t).InvalidateLeadCaches(t.Context(), lead.ID, "778.652.8784", defaultOrg); !s.told(err) {
			t.Errorf("InvalidateLeadCaches: %v", err)
		}
		s.seen(t, "the change of the row", func(n *node) bool { return find(t, n, phone).CustomerName.String == "Ann" })

		changed, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("604 555 0000")})
		if err != nil || changed.PhoneNumber != "604 555 0000" || changed.PhoneNumberNormalized != "16045550000" {
			t.Errorf("UpdateLead = %+v, %v, want the number as given and normalized", changed, err)
		}

		s.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Other', '(604) 670-0262')`, otherOrg)
		if got, err := s.b(t).OrganizationByPhone(t.Context(), "+1 604 670 0262"); err != nil || got.ID != otherOrg {
			t.Errorf("OrganizationByPhone = %+v, %v, want %s", got, err, otherOrg)
		}
	})
	t.Run("no digit at all, or more than 15: ErrInvalidPhone, nothing written", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		for _, number := range []string{"", "+", "anonymous", "restricted", "٧٧٨٦٥٢٨٧٨٤", strings.Repeat("7", 16)} {
			s.wantInvalid(t, number, lead)
		}
		if got, err := s.b(t).Lead(t.Context(), lead.ID); err != nil || got != lead || s.rows(t) != 1 {
			t.Errorf("the lead is %+v, %v, one of %d, want %+v alone", got, err, s.rows(t), lead)
		}
	})
	t.Run("15 digits are valid", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "+123456789012345", "123456789012345")
	})
	t.Run("+266696687 and short codes of 5 or 6 digits are valid", func(t *testing.T) {
		s := start(t)
		s.wantNormalized(t, "+266696687", "266696687")
		s.wantNormalized(t, "26296", "26296")
		s.wantNormalized(t, "262966", "262966")
	})
	t.Run("not found is dropped the moment that lead is created on any node", func(t *testing.T) {
		s := start(t)
		for i := range s.nodes {
			wantNoLead(t, s.call(t, i), phone, defaultOrg)
		}
		want := find(t, s.a(t), phone)
		s.seen(t, "the new lead", func(n *node) bool {
			got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
			return err == nil && got == want
		})
	})
}

// wantNormalized fails unless that is what becomes of a number.
func (s *scene) wantNormalized(t *testing.T, number, want string) {
	t.Helper()
	lead := find(t, s.a(t), number)
	if lead.PhoneNumberNormalized != want || lead.PhoneNumber != number {
		t.Errorf("FindOrCreateLead(%q) has %q, from %q, want %q", number, lead.PhoneNumberNormalized, lead.PhoneNumber, want)
	}
	if got, err := s.b(t).FindLeadByPhone(t.Context(), want, defaultOrg); err != nil || got != lead {
		t.Errorf("FindLeadByPhone(%q) = %+v, %v, want %+v", want, got, err, lead)
	}
}

// wantInvalid fails unless every method that takes a lead's number refuses
// this one.
func (s *scene) wantInvalid(t *testing.T, number string, lead leadsvc.Lead) {
	t.Helper()
	_, findErr := s.a(t).FindLeadByPhone(t.Context(), number, defaultOrg)
	_, createErr := s.a(t).FindOrCreateLead(t.Context(), number, defaultOrg)
	_, updateErr := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set(number)})
	for method, err := range map[string]error{
		"FindLeadByPhone":      findErr,
		"FindOrCreateLead":     createErr,
		"UpdateLead":           updateErr,
		"InvalidateLeadCaches": s.a(t).InvalidateLeadCaches(t.Context(), lead.ID, number, defaultOrg),
	} {
		if !errors.Is(err, leadsvc.ErrInvalidPhone) {
			t.Errorf("%s(%q): %v, want ErrInvalidPhone", method, number, err)
		}
	}
}

func wantNoLead(t testing.TB, n *node, phone, orgID string) {
	t.Helper()
	if lead, err := n.FindLeadByPhone(t.Context(), phone, orgID); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Errorf("FindLeadByPhone = %+v, %v, want ErrNotFound", lead, err)
	}
}
