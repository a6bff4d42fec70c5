package pg_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/pg"
	"leadcache/tiered"
)

func TestOrganizationByPhone(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			exec(t, url, `INSERT INTO organizations (id, name, phone_number, settings, created_at) VALUES
			('11111111-1111-1111-1111-111111111111', 'Younger', '+1 604 670 0262', '{"services": ["repair"]}', '2024-01-02'),
			('22222222-2222-2222-2222-222222222222', 'Older', '(604) 670-0262', '{}', '2024-01-01'),
			('33333333-3333-3333-3333-333333333333', 'London', '+44 20 7946 0958', '{}', '2024-01-01'),
			('44444444-4444-4444-4444-444444444444', 'Wordy', 'ask Bob', '{}', '2023-01-01'),
			('55555555-5555-5555-5555-555555555555', 'Empty', '', '{}', '2023-01-01')`)

			got, err := db.OrganizationByPhone(t.Context(), "+1 604 670 0262")
			if err != nil || got.Name != "Younger" || got.Settings != `{"services":["repair"]}` ||
				got.PhoneNumber != (pgtype.Text{String: "+1 604 670 0262", Valid: true}) {
				t.Errorf("OrganizationByPhone = %+v, %v, want the one with exactly that number", got, err)
			}
			roundTrip(t, got)

			for normalized, want := range map[string]string{"16046700262": "Older", "442079460958": "London"} {
				if got, err := db.OrganizationByNormalizedPhone(t.Context(), normalized); err != nil || got.Name != want {
					t.Errorf("OrganizationByNormalizedPhone(%s) = %+v, %v, want %s", normalized, got, err, want)
				}
			}
			for _, number := range []string{"", "6046700262", "+16046700262", "\x00", "\xff", "5\x00", "5\xff", "'; DROP TABLE leads", "ask Bob"} {
				if _, err := db.OrganizationByPhone(t.Context(), number); !errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("OrganizationByPhone(%q): %v, want ErrNotFound", number, err)
				}
				if _, err := db.OrganizationByNormalizedPhone(t.Context(), number); !errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("OrganizationByNormalizedPhone(%q): %v, want ErrNotFound", number, err)
				}
			}
			for _, id := range []string{"nobody", "", "\x00", "{11111111-1111-1111-1111-111111111111}"} {
				if _, err := db.Organization(t.Context(), id); !errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("Organization(%q): %v, want ErrNotFound", id, err)
				}
			}
		})
	}
}

// The look-ups on the way of every call use their indexes, whatever the types
// of the columns.
func TestLookupsUseIndexes(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url := setup(t)
			conn := connect(t, url)
			if _, err := conn.Exec(t.Context(), `SET enable_seqscan = off; SET enable_sort = off;
			SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan`); err != nil {
				t.Fatal(err)
			}
			for i, look := range []struct{ sql, index, args string }{
				{pg.SelectLead, "leads_pkey", "NULL, NULL"},
				{pg.SelectLeadByPhone, "leadcache_leads_phone", "NULL, NULL, NULL"},
				{pg.SelectOrganization, "organizations_pkey", "NULL, NULL"},
				{pg.SelectOrganizationByPhone, "leadcache_organizations_phone", "NULL"},
				{pg.SelectOrganizationByNormalizedPhone, "leadcache_organizations_normalized_phone", "NULL"},
				{pg.SelectConversations, "leadcache_conversations_lead", "NULL, NULL, NULL"},
				{pg.SelectSummaries, "leadcache_summaries_lead", "NULL, NULL, NULL"},
				{pg.SelectCallSession, "leadcache_call_sessions_lead", "NULL, NULL"},
			} {
				if _, err := conn.Exec(t.Context(), fmt.Sprintf("PREPARE look%d AS %s", i, look.sql)); err != nil {
					t.Fatalf("%s: %v", look.sql, err)
				}
				rows, _ := conn.Query(t.Context(), fmt.Sprintf("EXPLAIN EXECUTE look%d (%s)", i, look.args))
				plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatalf("%s: %v", look.sql, err)
				}
				if text := strings.Join(plan, "\n"); !strings.Contains(text, look.index) || strings.Contains(text, "Seq Scan") {
					t.Errorf("%s\nplan:\n%s\nwant index %s", look.sql, text, look.index)
				}
			}
		})
	}
}
