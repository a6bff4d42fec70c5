package leadsvc_test

import (
	"errors"
	"testing"

	"leadcache/leadsvc"
)

func testOrganizationByPhone(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("exact match, then normalized match, then default organization", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name, phone_number, created_at) VALUES
			('11111111-1111-1111-1111-111111111111', 'Oldest', '(604) 670-0262', '2024-01-01'),
			('22222222-2222-2222-2222-222222222222', 'Exact', '+16046700262', '2024-01-02')`)
		for _, test := range []struct{ number, want string }{
			{"+16046700262", "Exact"},
			{"6046700262", "Oldest"},
			{"+17786528784", "Default"},
			{"anonymous", "Default"},
		} {
			for i := range s.nodes {
				s.wantOrganization(t, i, test.number, test.want)
			}
		}
	})
	t.Run("the default organization is b0c1b1c1-0000-0000-0000-000000000001", func(t *testing.T) {
		s := start(t)
		if got, err := s.a(t).OrganizationByPhone(t.Context(), phone); err != nil || got.ID != "b0c1b1c1-0000-0000-0000-000000000001" {
			t.Errorf("OrganizationByPhone = %+v, %v, want the default", got, err)
		}
	})
	t.Run("the default organization is settable", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
		n := s.add(t, leadsvc.Config{DefaultOrganizationID: otherOrg})
		if got, err := n.OrganizationByPhone(t.Context(), phone); err != nil || got.ID != otherOrg {
			t.Errorf("OrganizationByPhone = %+v, %v, want %s", got, err, otherOrg)
		}
	})
	// Each step fails alone, on a row that cannot be read.
	t.Run("a failed query is an error, not the next step, and is not cached", func(t *testing.T) {
		s := start(t)
		s.exec(t, `ALTER TABLE organizations ALTER settings DROP DEFAULT`)
		s.exec(t, `ALTER TABLE organizations ALTER settings TYPE text`)
		s.exec(t, `INSERT INTO organizations (id, name, phone_number, settings, created_at) VALUES
			('11111111-1111-1111-1111-111111111111', 'Same digits', '(604) 670-0262', '{}', '2024-01-01'),
			('22222222-2222-2222-2222-222222222222', 'Exact', '+16046700262', '{', '2024-01-02'),
			('33333333-3333-3333-3333-333333333333', 'Normalized', '(604) 670-0263', '{', '2024-01-01')`)
		s.exec(t, `UPDATE organizations SET settings = '{' WHERE id = $1`, defaultOrg)
		numbers := map[string]string{"+16046700262": "Exact", "+16046700263": "Normalized", phone: "Default"}
		for number := range numbers {
			for i := range s.nodes {
				if got, err := s.call(t, i).OrganizationByPhone(t.Context(), number); err == nil || errors.Is(err, leadsvc.ErrNotFound) {
					t.Errorf("OrganizationByPhone(%s) = %+v, %v, want the database's error", number, got, err)
				}
			}
		}
		s.exec(t, `UPDATE organizations SET settings = '{}'`)
		for number, want := range numbers {
			for i := range s.nodes {
				s.wantOrganization(t, i, number, want)
			}
		}
	})
}

func testInvalidateOrganizationCache(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("drops that number's key on every node", func(t *testing.T) {
		s := start(t)
		for i := range s.nodes {
			s.wantOrganization(t, i, phone, "Default")
		}
		s.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Bici', $2)`, otherOrg, phone)
		if err := s.a(t).InvalidateOrganizationCache(t.Context(), phone); !s.told(err) {
			t.Errorf("InvalidateOrganizationCache: %v", err)
		}
		s.seen(t, "the new organization", func(n *node) bool {
			got, err := n.OrganizationByPhone(t.Context(), phone)
			return err == nil && got.Name == "Bici"
		})
	})
}

func (s *scene) wantOrganization(t testing.TB, node int, number, want string) {
	t.Helper()
	if got, err := s.call(t, node).OrganizationByPhone(t.Context(), number); err != nil || got.Name != want {
		t.Errorf("OrganizationByPhone(%q) = %+v, %v, want %s", number, got, err, want)
	}
}
