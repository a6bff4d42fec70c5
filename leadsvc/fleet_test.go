package leadsvc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// Under any concurrency, on any number of nodes, exactly one row is created,
// and everyone gets that one.
func TestFindOrCreateLeadRace(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("-seed %d", *seed)
			const nodes, callers, numbers = 3, 32, 1000
			f := newFleet(t)
			f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
			asked := f.draw(t, numbers)
			var (
				fleet []*node
				got   = make([][]string, nodes*callers) // the ids that each caller got, as in asked
				work  sync.WaitGroup
			)
			for range nodes {
				fleet = append(fleet, f.node(t, leadsvc.Config{}))
			}
			start := make(chan struct{})
			for i := range got {
				got[i] = make([]string, numbers)
				r := rand.New(rand.NewPCG(*seed, uint64(i)))
				work.Go(func() {
					<-start
					for _, j := range r.Perm(numbers) {
						lead, err := fleet[i%nodes].FindOrCreateLead(t.Context(), spelled(r, asked[j].phone), asked[j].org)
						if err != nil {
							t.Errorf("-seed %d: FindOrCreateLead: %v", *seed, err)
							return
						}
						got[i][j] = lead.ID
					}
				})
			}
			close(start)
			work.Wait()

			want := f.stored(t)
			distinct := make(map[owner]bool)
			for j, o := range asked {
				distinct[o] = true
				for i := range got {
					if got[i][j] != want[o] {
						t.Errorf("-seed %d: caller %d got lead %s, the database has %s", *seed, i, got[i][j], want[o])
						break // one line for each number
					}
				}
			}
			if rows := f.rows(t); rows != len(distinct) || len(want) != rows {
				t.Errorf("-seed %d: %d rows for %d numbers, want %d", *seed, rows, len(want), len(distinct))
			}
		})
	}
}

// An owner of a lead has it under one normalized phone number.
type owner struct{ org, phone string }

// draw returns so many owners at random, some of them more than once, and
// makes the leads of half of them.
func (f *fleet) draw(t *testing.T, n int) []owner {
	t.Helper()
	r := rand.New(rand.NewPCG(*seed, 0))
	owners := make([]owner, n)
	for i := range owners {
		owners[i] = owner{pick(r, []string{defaultOrg, otherOrg}), fmt.Sprint(17780000000 + r.IntN(10*n))}
	}
	for _, o := range owners[:n/2] {
		f.exec(t, `INSERT INTO leads (organization_id, phone_number, phone_number_normalized)
			VALUES ($1, $2::text, $2::text) ON CONFLICT DO NOTHING`, o.org, o.phone)
	}
	return owners
}

// stored returns the id of the lead of each owner.
func (f *fleet) stored(t *testing.T) map[owner]string {
	t.Helper()
	rows, err := f.sql.Query(t.Context(), `SELECT organization_id::text, phone_number_normalized, id::text FROM leads`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ids := make(map[owner]string)
	for rows.Next() {
		var (
			o  owner
			id string
		)
		if err := rows.Scan(&o.org, &o.phone, &id); err != nil {
			t.Fatal(err)
		}
		ids[o] = id
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// Many callers on one node send one INSERT for one new lead.
func TestCreationIsShared(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Fatal(err)
	}
	gets, sent := n.Stats()["lead"].Gets, n.db.Queries()
	unlock := f.lockLeads(t) // the lead is not made before all have asked for it
	const callers = 64
	var work sync.WaitGroup
	for range callers {
		work.Go(func() {
			if _, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg); err != nil {
				t.Errorf("FindOrCreateLead: %v", err)
			}
		})
	}
	servertest.Eventually(t, soon, func() bool {
		return f.blocked(t) > 0 && n.Stats()["lead"].Gets == gets+callers
	}, "all to ask")
	if q := n.db.Queries() - sent; q != 1 {
		t.Errorf("%d statements for %d callers, want 1", q, callers)
	}
	unlock()
	work.Wait()
}

// The order of a service's life: what is remembered is what the loader said,
// and a service that is closed says so.
func TestClose(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	if _, err := leadsvc.New(n.link, n.db, leadsvc.Config{}); err == nil {
		t.Error("New accepted a second service on one link")
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantClosed := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, leadsvc.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	_, err := n.FindOrCreateLead(t.Context(), "6045550000", defaultOrg)
	wantClosed("FindOrCreateLead", err)
	_, err = n.FindLeadByPhone(t.Context(), "6045550000", defaultOrg)
	wantClosed("FindLeadByPhone", err)
	_, err = n.OrganizationByPhone(t.Context(), phone)
	wantClosed("OrganizationByPhone", err)
	_, err = n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{})
	wantClosed("UpdateLead", err)
	_, err = n.AppendMessage(t.Context(), leadsvc.Message{LeadID: lead.ID})
	wantClosed("AppendMessage", err)
	_, err = n.Lead(t.Context(), lead.ID)
	wantClosed("Lead", err)
	wantClosed("InvalidateLeadCaches", n.InvalidateLeadCaches(t.Context(), lead.ID, phone, defaultOrg))
	wantClosed("InvalidateOrganizationCache", n.InvalidateOrganizationCache(t.Context(), phone))

	again, err := leadsvc.New(n.link, n.db, leadsvc.Config{})
	if err != nil {
		t.Fatalf("New after Close: %v", err)
	}
	again.Close()
}

// A write whose caller has left, and its invalidation, are waited for.
func TestCloseWaitsForWrites(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
	lead := remember(t, b)
	unlock := f.lockLeads(t)
	f.abandon(t, func(ctx context.Context) error {
		_, err := a.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
		return err
	})
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		a.Close()
	}()
	servertest.Eventually(t, soon, func() bool {
		_, err := a.AppendMessage(t.Context(), leadsvc.Message{}) // invalid, before it is sent
		return errors.Is(err, leadsvc.ErrClosed)
	}, "the service to refuse writes")
	unlock()
	<-closed
	servertest.Eventually(t, soon, func() bool { return find(t, b, phone).CustomerName.String == "Ann" },
		"the other node to see the change")
}
