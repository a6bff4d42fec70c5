package leadsvc_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

func TestOrganizationByPhone(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const bici = "11111111-1111-1111-1111-111111111111"

			t.Run("exact match, normalized match, default organization", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES
			('11111111-1111-1111-1111-111111111111', 'Bici', '(604) 670-0262'),
			('22222222-2222-2222-2222-222222222222', 'Exact', '6046700262'),
			('33333333-3333-3333-3333-333333333333', 'Empty', ''),
			('44444444-4444-4444-4444-444444444444', 'Extension', 'ext. 5'),
			('55555555-5555-5555-5555-555555555555', 'Short code', '26-296')`)
				n := f.node(t, leadsvc.Config{})
				f.exec(t, `UPDATE organizations SET created_at = '2024-01-01' WHERE id = $1`, bici)
				for number, want := range map[string]string{
					"6046700262":                  "Exact",
					"(604) 670-0262":              "Bici",
					"+16046700262":                "Bici", // the oldest of two
					"+17786528784":                "Default",
					"anonymous":                   "Default",
					"ext. 5":                      "Extension",
					"client:agent5":               "Default", // the same digits, too few to tell
					"26296":                       "Short code",
					"":                            "Default",
					"\x00":                        "Default",
					strings.Repeat("1604670", 20): "Default",
					strings.Repeat("a", 300):      "Default",
					strings.Repeat("b", 300):      "Default",
				} {
					for range 2 {
						if got, err := n.OrganizationByPhone(t.Context(), number); err != nil || got.Name != want {
							t.Errorf("OrganizationByPhone(%.20q) = %+v, %v, want %s", number, got, err, want)
						}
					}
				}
				// What is too long shares the entry of the empty number.
				if st := n.Stats()["organization"]; st.Entries != 11 {
					t.Errorf("%d entries, want 11", st.Entries)
				}
			})

			t.Run("every outcome is cached under the number as given, for 10 minutes", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Bici', '+16046700262')`, bici)
				n := f.node(t, leadsvc.Config{})
				for range 2 {
					for _, number := range []string{"+16046700262", "604 670 0262", "+17786528784"} {
						if _, err := n.OrganizationByPhone(t.Context(), number); err != nil {
							t.Fatal(err)
						}
					}
				}
				if q := n.db.Queries(); q != 1+2+3 {
					t.Errorf("%d statements, want 6: one, two and three steps, once each", q)
				}
				f.wantKeys(t, "bici:org:+16046700262", "bici:org:604 670 0262", "bici:org:+17786528784")
				f.wantTTL(t, "bici:org:+16046700262", 10*time.Minute)
				f.wantTTL(t, "bici:org:+17786528784", 10*time.Minute)
			})

			t.Run("a missing default organization is a clear error and is not cached", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{DefaultOrganizationID: noOrg})
				_, err := n.OrganizationByPhone(t.Context(), phone)
				if !errors.Is(err, leadsvc.ErrNoDefaultOrganization) || errors.Is(err, leadsvc.ErrNotFound) ||
					!strings.Contains(err.Error(), noOrg) || strings.Contains(err.Error(), "778") {
					t.Errorf("OrganizationByPhone: %v, want ErrNoDefaultOrganization with its id", err)
				}
				f.wantKeys(t)
				f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Made')`, noOrg)
				if got, err := n.OrganizationByPhone(t.Context(), phone); err != nil || got.Name != "Made" {
					t.Errorf("as soon as it exists: %+v, %v", got, err)
				}
			})

			// Each step fails alone, by a row that cannot be read. Whoever went on to
			// the next step would find somebody else's organization.
			t.Run("a failed step is an error, never the next step, and is not cached", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.exec(t, `ALTER TABLE organizations ALTER settings DROP DEFAULT`)
				f.exec(t, `ALTER TABLE organizations ALTER settings TYPE text`)
				f.exec(t, `INSERT INTO organizations (id, name, phone_number, settings, created_at) VALUES
			('11111111-1111-1111-1111-111111111111', 'Same digits', '(604) 670-0262', '{}', '2024-01-01'),
			('22222222-2222-2222-2222-222222222222', 'Exact', '+16046700262', '{', '2024-01-02'),
			('33333333-3333-3333-3333-333333333333', 'Normalized', '(604) 670-0263', '{', '2024-01-01'),
			('44444444-4444-4444-4444-444444444444', 'Default', NULL, '{', '2024-01-01')`)
				n := f.node(t, leadsvc.Config{DefaultOrganizationID: "44444444-4444-4444-4444-444444444444"})
				whole := f.node(t, leadsvc.Config{})
				for step, on := range map[string]struct {
					node   *node
					number string
				}{"exact": {whole, "+16046700262"}, "normalized": {whole, "+16046700263"}, "default": {n, phone}} {
					got, err := on.node.OrganizationByPhone(t.Context(), on.number)
					if err == nil || errors.Is(err, leadsvc.ErrNotFound) || errors.Is(err, leadsvc.ErrNoDefaultOrganization) {
						t.Errorf("when the %s step fails: %+v, %v, want its error", step, got, err)
					}
				}
				f.wantKeys(t)
			})

			t.Run("invalidation drops the number's key on every node", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				for _, n := range []*node{a, b} {
					if got, err := n.OrganizationByPhone(t.Context(), phone); err != nil || got.ID != defaultOrg {
						t.Fatalf("OrganizationByPhone = %+v, %v, want the default", got, err)
					}
				}
				f.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Bici', $2)`, bici, phone)
				if err := a.InvalidateOrganizationCache(t.Context(), phone); err != nil {
					t.Fatal(err)
				}
				for _, n := range []*node{a, b} {
					servertest.Eventually(t, soon, func() bool {
						got, err := n.OrganizationByPhone(t.Context(), phone)
						return err == nil && got.ID == bici
					}, "the number to be the new organization's")
				}
			})
		})
	}
}
