package leadsvc_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// Writes that wait in the database, their callers gone, leave connections to
// reads, are given up soon, and those that find no room say so.
func TestAbandonedWritesDoNotStarveReads(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	update := func(ctx context.Context) error {
		_, err := n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{})
		return err
	}
	unlock := f.lockLeads(t)
	defer unlock()
	const room = 6 // of 8 connections
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	for range room {
		work.Go(func() {
			if err := update(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who left: %v, want context.Canceled", err)
			}
		})
	}
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) == room }, "the writes to reach the database")

	more := make(chan error, 1)
	go func() { more <- update(ctx) }()
	if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
		t.Errorf("OrganizationByPhone: %v", err)
	}
	if got := f.blocked(t); got != room {
		t.Errorf("%d writes in the database, want %d", got, room)
	}
	cancel()
	if err := <-more; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "other writes") {
		t.Errorf("a write that found no room: %v, want to read why it did not begin", err)
	}
	work.Wait()
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) == 0 }, "the abandoned writes to be given up")
}

// A write that panics is an error of that call, and the process lives.
func TestPanicInAWriteIsAnError(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.nodeWith(t, tiered.RedisOptions{URL: "redis://127.0.0.1:1"}, leadsvc.Config{Logger: slog.New(panicking{})})
	_, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
	p, ok := errors.AsType[*tiered.PanicError](err)
	if !ok || len(p.Stack) == 0 || strings.Contains(err.Error(), "16045550000") {
		t.Errorf("FindOrCreateLead = %v, want a panic with its stack and without its value", err)
	}
	if rows := f.rows(t); rows != 1 {
		t.Errorf("%d leads, want 1", rows)
	}
}

// panicking is a log that cannot be written.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("16045550000") }

// Whatever becomes of the answer, a change that was made is seen on all nodes.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// setup returns a node whose database is behind a wire that can be cut,
			// and another one.
			setup := func(t *testing.T) (f *fleet, w *wire, a, b *node) {
				t.Helper()
				f = newFleet(t)
				b = f.node(t, leadsvc.Config{})
				w = wireTo(t, &f.databaseURL)
				return f, w, f.node(t, leadsvc.Config{}), b
			}
			// seen waits until both nodes find what ok accepts.
			seen := func(t *testing.T, phone, orgID string, ok func(leadsvc.Lead, error) bool, nodes ...*node) {
				t.Helper()
				for _, n := range nodes {
					servertest.Eventually(t, soon, func() bool { return ok(n.FindLeadByPhone(t.Context(), phone, orgID)) },
						"what was changed to be seen")
				}
			}
			absent := func(_ leadsvc.Lead, err error) bool { return errors.Is(err, leadsvc.ErrNotFound) }

			t.Run("of a lead that was made", func(t *testing.T) {
				t.Parallel()
				f, w, a, b := setup(t)
				seen(t, phone, defaultOrg, absent, a, b)
				w.swallow("SELECT 1\x00")
				if lead, err := a.FindOrCreateLead(t.Context(), phone, defaultOrg); err == nil || f.rows(t) != 1 {
					t.Fatalf("FindOrCreateLead = %+v, %v, %d leads, want an error and a lead", lead, err, f.rows(t))
				}
				seen(t, phone, defaultOrg, func(_ leadsvc.Lead, err error) bool { return err == nil }, a, b)
			})

			t.Run("of a change", func(t *testing.T) {
				t.Parallel()
				_, w, a, b := setup(t)
				lead := remember(t, a)
				find(t, b, phone)
				w.swallow("UPDATE 1\x00")
				if _, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")}); err == nil {
					t.Fatal("UpdateLead had an answer")
				}
				seen(t, phone, defaultOrg, func(l leadsvc.Lead, _ error) bool { return l.CustomerName.String == "Ann" }, a, b)
			})

			t.Run("of a new number and organization", func(t *testing.T) {
				t.Parallel()
				f, w, a, b := setup(t)
				f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
				lead := remember(t, a)
				find(t, b, phone)
				seen(t, "6045550000", otherOrg, absent, a, b)
				w.swallow("UPDATE 1\x00")
				_, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{
					PhoneNumber: leadsvc.Set("(604) 555-0000"), OrganizationID: leadsvc.Set(otherOrg),
				})
				if err == nil {
					t.Fatal("UpdateLead had an answer")
				}
				seen(t, phone, defaultOrg, absent, a, b)
				seen(t, "6045550000", otherOrg, func(l leadsvc.Lead, _ error) bool { return l.ID == lead.ID }, a, b)
			})

			t.Run("that cannot be read", func(t *testing.T) {
				t.Parallel()
				f, _, a, b := setup(t)
				lead := remember(t, a)
				find(t, b, phone)
				f.exec(t, `ALTER TABLE leads ALTER bike_interest TYPE text`)
				f.exec(t, `UPDATE leads SET bike_interest = '{'`)
				if _, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")}); err == nil {
					t.Fatal("UpdateLead read malformed JSON")
				}
				f.exec(t, `UPDATE leads SET bike_interest = '{}'`)
				seen(t, phone, defaultOrg, func(l leadsvc.Lead, _ error) bool { return l.CustomerName.String == "Ann" }, a, b)
			})
		})
	}
}

// A lead of another program, without a number or an organization, has no key
// until it is given both.
func TestUpdateLeadWithoutAKey(t *testing.T) {
	t.Parallel()
	for missing, row := range map[string]string{
		"number":       `NULL, 'b0c1b1c1-0000-0000-0000-000000000001'`,
		"organization": `'17786528784', NULL`,
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			f := newOldFleet(t)
			f.exec(t, `INSERT INTO leads (id, phone_number, phone_number_normalized, organization_id) VALUES ('`+noOrg+`', 'x', `+row+`)`)
			a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
			for _, n := range []*node{a, b} {
				if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Fatal(err)
				}
			}
			keys := len(f.keys(t))
			if _, err := a.UpdateLead(t.Context(), noOrg, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")}); err != nil {
				t.Errorf("UpdateLead: %v", err)
			}
			if got := len(f.keys(t)); got != keys {
				t.Errorf("%d keys in Redis after a change without a key, want %d", got, keys)
			}
			want, err := a.UpdateLead(t.Context(), noOrg, leadsvc.LeadChanges{
				PhoneNumber: leadsvc.Set(phone), OrganizationID: leadsvc.Set(defaultOrg),
			})
			if err != nil {
				t.Fatalf("UpdateLead: %v", err)
			}
			for _, n := range []*node{a, b} {
				servertest.Eventually(t, soon, func() bool {
					got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
					return err == nil && got == want
				}, "the lead to be found")
			}
		})
	}
}
