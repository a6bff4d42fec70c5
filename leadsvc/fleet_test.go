package leadsvc_test

import (
	"context"
	"errors"
	"fmt"
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
			const nodes, callers, phones = 3, 32, 20
			f := newFleet(t)
			var (
				fleet []*node
				mu    sync.Mutex
				ids   = make(map[string]map[string]bool) // phone → ids that were returned
				work  sync.WaitGroup
			)
			for range nodes {
				fleet = append(fleet, f.node(t, leadsvc.Config{}))
			}
			start := make(chan struct{})
			for _, n := range fleet {
				for c := range callers {
					work.Go(func() {
						<-start
						for i := range phones {
							// Half the callers come from the other end.
							if c%2 == 1 {
								i = phones - 1 - i
							}
							phone := fmt.Sprint(7780000000 + i)
							lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
							if err != nil {
								t.Errorf("FindOrCreateLead: %v", err)
								return
							}
							mu.Lock()
							if ids[phone] == nil {
								ids[phone] = make(map[string]bool)
							}
							ids[phone][lead.ID] = true
							mu.Unlock()
						}
					})
				}
			}
			close(start)
			work.Wait()
			for phone, ids := range ids {
				if len(ids) != 1 {
					t.Errorf("%s: %d different leads were returned", phone, len(ids))
				}
			}
			if rows := f.rows(t); rows != phones {
				t.Errorf("%d rows, want %d", rows, phones)
			}
			for i, n := range fleet {
				for p := range phones {
					if _, err := n.FindLeadByPhone(t.Context(), fmt.Sprint(7780000000+p), defaultOrg); err != nil {
						t.Errorf("node %d, afterwards: %v", i, err)
					}
				}
			}
		})
	}
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
