package leadsvc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

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
	const room = 6 // of 8 connections
	leads := findMany(t, n, room+1)
	update := func(ctx context.Context, lead leadsvc.Lead) error {
		_, err := n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{})
		return err
	}
	unlock := f.lockLeads(t)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	for _, lead := range leads[:room] {
		work.Go(func() {
			if err := update(ctx, lead); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who left: %v, want context.Canceled", err)
			}
		})
	}
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) == room }, "the writes to reach the database")

	more := make(chan error, 1)
	go func() { more <- update(ctx, leads[room]) }()
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

// findMany makes so many leads.
func findMany(t testing.TB, n *node, count int) []leadsvc.Lead {
	t.Helper()
	leads := make([]leadsvc.Lead, count)
	for i := range leads {
		leads[i] = find(t, n, fmt.Sprint(7780000000+i))
	}
	return leads
}

// A lead that somebody keeps locked holds up its own writes and no others: one
// of them waits in the database, the rest before it.
func TestLockedLeadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	leads := findMany(t, n, 2)
	locked, other := leads[0], leads[1]
	update := func(ctx context.Context, lead leadsvc.Lead) error {
		_, err := n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
		return err
	}
	f.exec(t, `BEGIN`)
	f.exec(t, `SELECT FROM leads WHERE id = $1 FOR UPDATE`, locked.ID)
	const waiting = 40 // several times the slots
	done := make(chan error, waiting)
	for i := range waiting {
		if i%2 == 0 {
			go func() { done <- update(t.Context(), locked) }()
		} else {
			go func() { done <- message(t.Context(), n, locked.ID) }()
		}
	}
	servertest.Eventually(t, soon, func() bool { return leadsvc.Turns(n.Service, locked.ID) == waiting && f.blocked(t) == 1 }, "the writes to wait")

	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := errors.Join(update(ctx, other), message(ctx, n, other.ID)); err != nil {
		t.Errorf("writes of another lead: %v, want none held up", err)
	}
	if got := f.blocked(t); got != 1 {
		t.Errorf("%d writes in the database, want 1", got)
	}
	impatient, leave := context.WithTimeout(t.Context(), time.Millisecond)
	defer leave()
	if err := update(impatient, locked); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "other writes") {
		t.Errorf("a write whose turn did not come: %v, want to read why it did not begin", err)
	}

	f.exec(t, `COMMIT`)
	for range waiting {
		if err := <-done; err != nil {
			t.Errorf("after the lead was unlocked: %v", err)
		}
	}
	servertest.Eventually(t, soon, func() bool { return leadsvc.Turns(n.Service, locked.ID) == 0 }, "the turns to be forgotten")
	if names := leadsvc.TurnNames(n.Service); names != 0 {
		t.Errorf("%d names are kept, want none", names)
	}
}

// What nobody waits for any more when its turn comes is not written.
func TestWriteForNobodyIsNotBegun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // by chance, a few would do
		if err := message(ctx, n, lead.ID); !errors.Is(err, context.Canceled) {
			t.Fatalf("AppendMessage: %v, want context.Canceled", err)
		}
	}
	n.Close() // which waits for what was begun
	var stored int
	if err := f.sql.QueryRow(t.Context(), `SELECT count(*) FROM conversations`).Scan(&stored); err != nil || stored != 0 {
		t.Errorf("%d messages, %v, want none", stored, err)
	}
}

// Who is told that nothing was written can rely on it, also when the turn comes
// at that moment.
func TestNotWrittenIsNotWritten(t *testing.T) {
	t.Parallel()
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); { // the first few would do
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		written := false
		over, err := leadsvc.Write(ctx, func() { written = true })
		<-over
		if written && err != nil && strings.Contains(err.Error(), "not written") {
			t.Fatalf("a write was made, and its caller told: %v", err)
		}
	}
}

// What waits for its turn when the service closes is not written.
func TestCloseEndsTheWaitForATurn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	update := func(done chan<- error) {
		_, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{})
		done <- err
	}
	unlock := f.lockLeads(t)
	first, second := make(chan error, 1), make(chan error, 1)
	go update(first)
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) == 1 }, "the first write to reach the database")
	go update(second)
	servertest.Eventually(t, soon, func() bool { return leadsvc.Turns(n.Service, lead.ID) == 2 }, "the second one to wait")
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	if err := <-second; !errors.Is(err, leadsvc.ErrClosed) {
		t.Errorf("the second write: %v, want ErrClosed", err)
	}
	unlock()
	if err := errors.Join(<-first, <-closed); err != nil {
		t.Errorf("the first write: %v, want it carried out", err)
	}
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
