package leadsvc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
)

func testFindOrCreateLead(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("cached lead", func(t *testing.T) {
		s := start(t)
		want := remember(t, s.a(t))
		for range 3 {
			for i := range s.nodes {
				if got := find(t, s.call(t, i), phone); got != want {
					t.Errorf("FindOrCreateLead = %+v, want %+v", got, want)
				}
			}
		}
	})
	t.Run("else the row with that organization and normalized phone", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO leads (id, organization_id, phone_number, phone_number_normalized, customer_name)
			VALUES ($1, $2, '(778) 652-8784', $3, 'Ann')`, noOrg, defaultOrg, digits)
		if got := find(t, s.a(t), phone); got.ID != noOrg || got.CustomerName.String != "Ann" || got.PhoneNumber != "(778) 652-8784" {
			t.Errorf("FindOrCreateLead = %+v, want the row that was there", got)
		}
		if rows := s.rows(t); rows != 1 {
			t.Errorf("%d leads, want 1", rows)
		}
	})
	t.Run("else a new row: status new, sentiment neutral, the phone as given and normalized", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), "(778) 652-8784")
		if lead.Status != leadsvc.StatusNew || lead.Sentiment != leadsvc.SentimentNeutral ||
			lead.PhoneNumber != "(778) 652-8784" || lead.PhoneNumberNormalized != digits || lead.OrganizationID != defaultOrg {
			t.Errorf("FindOrCreateLead = %+v", lead)
		}
		if stored, err := s.b(t).Lead(t.Context(), lead.ID); err != nil || stored != lead {
			t.Errorf("the row is %+v, %v, want %+v", stored, err, lead)
		}
	})
	t.Run("a lead of one organization is not that of another", func(t *testing.T) {
		s := start(t)
		s.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
		ours := find(t, s.a(t), phone)
		theirs, err := s.a(t).FindOrCreateLead(t.Context(), phone, otherOrg)
		if err != nil || theirs.ID == ours.ID || theirs.OrganizationID != otherOrg {
			t.Errorf("FindOrCreateLead in another organization = %+v, %v, want another lead", theirs, err)
		}
	})
	// Many callers on both nodes ask for the same new leads at once.
	t.Run("under any concurrency, on any number of nodes, exactly one row is created", func(t *testing.T) {
		s := start(t)
		const callers, phones = 16, 5
		var (
			mu   sync.Mutex
			ids  = make(map[string]string) // phone → id
			work sync.WaitGroup
		)
		ask := func(n *node) {
			for i := range phones {
				phone := fmt.Sprint(7780000000 + i)
				lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
				if err != nil {
					t.Errorf("FindOrCreateLead: %v", err)
					return
				}
				mu.Lock()
				if id, ok := ids[phone]; ok && id != lead.ID {
					t.Errorf("two leads were returned for one number: %s and %s", id, lead.ID)
				}
				ids[phone] = lead.ID
				mu.Unlock()
			}
		}
		for _, n := range s.nodes {
			for range callers {
				work.Go(func() { ask(n) })
			}
		}
		for range 3 {
			ask(s.a(t)) // and Redis may come and go meanwhile
		}
		work.Wait()
		if rows := s.rows(t); rows != phones {
			t.Errorf("%d leads, want %d", rows, phones)
		}
	})
	t.Run("unknown organization: a clear error, nothing cached", func(t *testing.T) {
		s := start(t)
		for i := range s.nodes {
			_, err := s.call(t, i).FindOrCreateLead(t.Context(), phone, otherOrg)
			if !errors.Is(err, leadsvc.ErrUnknownOrganization) || errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("FindOrCreateLead: %v, want ErrUnknownOrganization", err)
			}
		}
		if rows := s.rows(t); rows != 0 {
			t.Errorf("%d leads, want none", rows)
		}
		s.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
		for i := range s.nodes {
			if _, err := s.call(t, i).FindOrCreateLead(t.Context(), phone, otherOrg); err != nil {
				t.Errorf("as soon as the organization exists: %v", err)
			}
		}
	})
}

func testFindLeadByPhone(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("cached lead, else the row", func(t *testing.T) {
		s := start(t)
		want := find(t, s.a(t), phone)
		for range 2 {
			for i := range s.nodes {
				if got, err := s.call(t, i).FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil || got != want {
					t.Errorf("FindLeadByPhone = %+v, %v, want %+v", got, err, want)
				}
			}
		}
	})
	t.Run("else ErrNotFound", func(t *testing.T) {
		s := start(t)
		for range 2 {
			for i := range s.nodes {
				wantNoLead(t, s.call(t, i), phone, defaultOrg)
				wantNoLead(t, s.call(t, i), phone, noOrg)
			}
		}
		if rows := s.rows(t); rows != 0 {
			t.Errorf("%d leads, want none", rows)
		}
	})
	t.Run("a database failure is an error, never not found", func(t *testing.T) {
		s := start(t)
		s.exec(t, `ALTER TABLE leads RENAME TO lost`)
		for i := range s.nodes {
			lead, err := s.call(t, i).FindLeadByPhone(t.Context(), phone, defaultOrg)
			if err == nil || errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("FindLeadByPhone = %+v, %v, want the database's error", lead, err)
			}
		}
		s.exec(t, `ALTER TABLE lost RENAME TO leads`)
		for i := range s.nodes {
			wantNoLead(t, s.call(t, i), phone, defaultOrg)
		}
	})
}

func testLead(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("the lead by id", func(t *testing.T) {
		s := start(t)
		want := find(t, s.a(t), phone)
		for i := range s.nodes {
			if got, err := s.call(t, i).Lead(t.Context(), want.ID); err != nil || got != want {
				t.Errorf("Lead = %+v, %v, want %+v", got, err, want)
			}
		}
	})
	t.Run("not found: ErrNotFound", func(t *testing.T) {
		s := start(t)
		for _, id := range []string{noOrg, "", "nobody"} {
			if lead, err := s.a(t).Lead(t.Context(), id); !errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("Lead(%q) = %+v, %v, want ErrNotFound", id, lead, err)
			}
		}
	})
}

// TestBehaviourOfRows holds the rows to their description: other programs read
// the same values by the names of the columns.
func TestBehaviourOfRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		row   any
		names string
	}{
		{leadsvc.Lead{}, `id organization_id phone_number phone_number_normalized customer_name email status sentiment
			bike_interest qualification_data created_at updated_at last_contact_at`},
		{leadsvc.Organization{}, `id name phone_number settings created_at updated_at`},
		{leadsvc.Conversation{}, `id organization_id lead_id phone_number_normalized content sent_by type timestamp metadata`},
	} {
		text, err := json.Marshal(test.row)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(test.names)
		slices.Sort(names)
		if diff := cmp.Diff(names, slices.Sorted(maps.Keys(fields))); diff != "" {
			t.Errorf("the fields of %T (-want +got):\n%s", test.row, diff)
		}
	}
}
