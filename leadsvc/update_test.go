package leadsvc_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// rename gives a lead another name. It may be called from any goroutine.
func rename(t testing.TB, n *node, lead leadsvc.Lead, name string) leadsvc.Lead {
	t.Helper()
	after, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set(name)})
	if err != nil {
		t.Errorf("UpdateLead: %v", err)
	}
	return after
}

// renameAndRead fails if n, which gives a lead another name, serves it older
// than that. It may be called from any goroutine.
func renameAndRead(t testing.TB, n *node, lead leadsvc.Lead, name string) {
	t.Helper()
	mine := rename(t, n, lead, name)
	got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
	if err != nil || got.UpdatedAt.Before(mine.UpdatedAt) {
		t.Errorf("FindLeadByPhone = %+v, %v, after this node wrote %+v", got, err, mine)
	}
}

// A value that was read before a change is not kept after it:
//
//  1. a reader's statement is answered with the old row, which is on its way;
//  2. the lead is changed, and the reader's node has heard of it;
//  3. the old row arrives.
func TestUpdateDuringALoad(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("changed by another node", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				writer := f.node(t, leadsvc.Config{})
				lead := find(t, writer, phone) // nobody remembers it
				w := wireTo(t, &f.databaseURL)
				reader := f.node(t, leadsvc.Config{})
				h, old := w.holdLoad(t, reader)
				want := rename(t, writer, lead, "Ann")
				servertest.Eventually(t, soon, func() bool { return reader.Stats()["lead"].Pushes > 0 }, "the reader's node to hear of it")
				close(h.release)
				if got := <-old; got != lead {
					t.Fatalf("the load that was held returned %+v, want the old row", got)
				}
				f.wantEverywhere(t, want, reader, writer)
			})

			t.Run("changed by the reader's node", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				lead := find(t, f.node(t, leadsvc.Config{}), phone)
				w := wireTo(t, &f.databaseURL)
				reader := f.node(t, leadsvc.Config{})
				h, old := w.holdLoad(t, reader)
				want := rename(t, reader, lead, "Ann")
				close(h.release)
				if got := <-old; got != lead {
					t.Fatalf("the load that was held returned %+v, want the old row", got)
				}
				f.wantEverywhere(t, want, reader)
			})
		})
	}
}

// holdLoad has n ask for the lead with the number phone, and returns when the
// database's answer is held back. What n says is sent to the channel.
func (w *wire) holdLoad(t *testing.T, n *node) (*hold, <-chan leadsvc.Lead) {
	t.Helper()
	h := w.hold("SELECT 1\x00")
	said := make(chan leadsvc.Lead, 1)
	go func() {
		lead, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
		if err != nil {
			t.Errorf("FindLeadByPhone: %v", err)
		}
		said <- lead
	}()
	h.wait(t)
	return h, said
}

// wantEverywhere fails unless these nodes, and one that has nothing yet but
// what Redis has, find this lead at once.
func (f *fleet) wantEverywhere(t *testing.T, want leadsvc.Lead, nodes ...*node) {
	t.Helper()
	for _, n := range append(nodes, f.node(t, leadsvc.Config{})) {
		if got := find(t, n, phone); got != want {
			t.Errorf("%+v is kept, want %+v", got, want)
		}
	}
}

// Invalidations that come in the other order than their changes do no harm:
//
//  1. a has changed the lead and not yet been told so;
//  2. b changes it and invalidates, and all remember what b wrote;
//  3. a is told, and invalidates.
func TestInvalidationsInTheOtherOrder(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	b, c := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
	lead := remember(t, b)
	w := wireTo(t, &f.databaseURL)
	a := f.node(t, leadsvc.Config{})
	h := w.hold("UPDATE 1\x00")
	first := make(chan leadsvc.Lead, 1)
	go func() { first <- rename(t, a, lead, "first") }()
	h.wait(t)
	want := rename(t, b, lead, "second")
	for _, n := range []*node{a, b, c} {
		servertest.Eventually(t, soon, func() bool { return find(t, n, phone) == want }, "the second change to be seen")
	}
	close(h.release)
	if got := <-first; !got.UpdatedAt.Before(want.UpdatedAt) {
		t.Fatalf("the first change was at %v, the second at %v", got.UpdatedAt, want.UpdatedAt)
	}
	f.wantEverywhere(t, want, a, b, c)
}

// Changes that wait for one row are made one after another, and what was
// remembered while they waited is forgotten.
func TestUpdatesWaitForTheRow(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	nodes := []*node{f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})}
	lead := find(t, nodes[0], phone)
	unlock := f.lockLeads(t)
	var work sync.WaitGroup
	for i, n := range nodes {
		work.Go(func() { renameAndRead(t, n, lead, fmt.Sprint("by ", i)) })
	}
	servertest.Eventually(t, soon, func() bool { return f.blocked(t) == len(nodes) }, "the changes to wait for the row")
	for _, n := range nodes {
		if got := find(t, n, phone); got != lead {
			t.Fatalf("while the changes wait: %+v, want %+v", got, lead)
		}
	}
	unlock()
	work.Wait()
	f.wantStored(t, defaultOrg, digits, append(nodes, f.node(t, leadsvc.Config{}))...)
}

// Whoever changes a lead reads its change or a later one, and in the end no
// node keeps an older row than the database has.
func TestUpdateLeadRace(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const nodes, writers, readers, changes = 3, 4, 4, 25
			f := newFleet(t)
			var (
				fleet            []*node
				writing, reading sync.WaitGroup
			)
			for range nodes {
				fleet = append(fleet, f.node(t, leadsvc.Config{}))
			}
			lead := find(t, fleet[0], phone)
			var written atomic.Bool
			for i, n := range fleet {
				for j := range writers {
					writing.Go(func() {
						for k := range changes {
							renameAndRead(t, n, lead, fmt.Sprint("by ", i, j, k))
						}
					})
				}
				for range readers {
					reading.Go(func() {
						for !written.Load() {
							if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil {
								t.Errorf("FindLeadByPhone: %v", err)
								return
							}
						}
					})
				}
			}
			writing.Wait()
			written.Store(true)
			reading.Wait()
			f.wantStored(t, defaultOrg, digits, append(fleet, f.node(t, leadsvc.Config{}))...)
		})
	}
}
