package leadsvc_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

func TestFindOrCreateLead(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("a new row has status new, sentiment neutral, the phone as given and normalized", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				lead, err := n.FindOrCreateLead(t.Context(), "(778) 652-8784", defaultOrg)
				if err != nil {
					t.Fatal(err)
				}
				if lead.Status != leadsvc.StatusNew || lead.Sentiment != leadsvc.SentimentNeutral ||
					lead.PhoneNumber != "(778) 652-8784" || lead.PhoneNumberNormalized != digits || lead.OrganizationID != defaultOrg {
					t.Errorf("FindOrCreateLead = %+v", lead)
				}
				for _, spelling := range []string{phone, digits, "778.652.8784"} {
					again, err := n.FindOrCreateLead(t.Context(), spelling, defaultOrg)
					if err != nil || again != lead {
						t.Errorf("FindOrCreateLead(%s) = %+v, %v, want %+v", spelling, again, err, lead)
					}
				}
				if rows := f.rows(t); rows != 1 {
					t.Errorf("%d leads, want 1", rows)
				}
			})

			t.Run("the key is phone and organization, the TTL 5 minutes", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				remember(t, n)
				const key = "17786528784:b0c1b1c1-0000-0000-0000-000000000001"
				f.wantKeys(t, key)
				f.wantTTL(t, key, 5*time.Minute)
			})

			t.Run("an option puts a prefix before the lead keys", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{LeadKeyPrefix: "bici:lead:", LeadTTL: time.Minute})
				remember(t, n)
				f.wantKeys(t, "bici:lead:"+digits+":"+defaultOrg)
				f.wantTTL(t, "bici:lead:"+digits+":"+defaultOrg, time.Minute)
			})

			t.Run("cached, the database is not asked", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				want := remember(t, a)
				before := a.db.Queries()
				for range 10 {
					for _, n := range []*node{a, b} {
						if got, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg); err != nil || got != want {
							t.Errorf("FindOrCreateLead = %+v, %v, want %+v", got, err, want)
						}
					}
				}
				if got := a.db.Queries() - before; got != 0 {
					t.Errorf("the node sent %d statements, want none", got)
				}
				if got := b.db.Queries(); got != 0 {
					t.Errorf("the other node sent %d statements, want none", got)
				}
			})

			t.Run("unknown organization: a clear error, nothing cached", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				for _, org := range []string{noOrg, "", "nobody", "B0C1B1C1-0000-0000-0000-000000000001", "\x00"} {
					_, err := n.FindOrCreateLead(t.Context(), phone, org)
					if !errors.Is(err, leadsvc.ErrUnknownOrganization) || errors.Is(err, leadsvc.ErrNotFound) {
						t.Errorf("FindOrCreateLead in organization %q: %v, want ErrUnknownOrganization", org, err)
					}
				}
				f.wantKeys(t)
				f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'New')`, noOrg)
				if _, err := n.FindOrCreateLead(t.Context(), phone, noOrg); err != nil {
					t.Errorf("as soon as the organization exists: %v", err)
				}
			})

			t.Run("invalid phone: nothing cached, nothing written", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				for _, s := range []string{"anonymous", "restricted", "", "1234567890123456"} {
					if _, err := n.FindOrCreateLead(t.Context(), s, defaultOrg); !errors.Is(err, leadsvc.ErrInvalidPhone) {
						t.Errorf("FindOrCreateLead(%q): %v, want ErrInvalidPhone", s, err)
					}
					if _, err := n.FindLeadByPhone(t.Context(), s, defaultOrg); !errors.Is(err, leadsvc.ErrInvalidPhone) {
						t.Errorf("FindLeadByPhone(%q): %v, want ErrInvalidPhone", s, err)
					}
				}
				f.wantKeys(t)
				if rows, queries := f.rows(t), n.db.Queries(); rows != 0 || queries != 0 {
					t.Errorf("%d rows, %d statements, want none", rows, queries)
				}
			})

			t.Run("a caller whose context ends is answered at once, the lead is made", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Fatal(err)
				}
				unlock := f.lockLeads(t)
				create := func(ctx context.Context) error {
					_, err := n.FindOrCreateLead(ctx, phone, defaultOrg)
					return err
				}
				f.abandon(t, create)
				patient := make(chan error, 1)
				go func() { patient <- create(t.Context()) }()
				servertest.Eventually(t, soon, func() bool { return leadsvc.Turns(n.Service, digits+":"+defaultOrg) == 2 },
					"the caller who waits to begin a write of its own, behind the one that was left")
				unlock()
				if err := <-patient; err != nil {
					t.Errorf("the caller who waited: %v", err)
				}
				if rows := f.rows(t); rows != 1 {
					t.Errorf("%d leads, want 1", rows)
				}
			})

			t.Run("a caller who has left already makes no lead", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Fatal(err)
				}
				before := n.db.Queries()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := n.FindOrCreateLead(ctx, phone, defaultOrg); !errors.Is(err, context.Canceled) {
					t.Errorf("FindOrCreateLead = %v, want context.Canceled", err)
				}
				n.Close() // waits for writes
				if rows, sent := f.rows(t), n.db.Queries()-before; rows != 0 || sent != 0 {
					t.Errorf("%d leads, %d statements, want none", rows, sent)
				}
			})
		})
	}
}

func TestFindLeadByPhone(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("the same key serves both methods", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				want := remember(t, n)
				before := n.db.Queries()
				got, err := n.FindLeadByPhone(t.Context(), "778-652-8784", defaultOrg)
				if err != nil || got != want {
					t.Errorf("FindLeadByPhone = %+v, %v, want %+v", got, err, want)
				}
				if n.db.Queries() != before {
					t.Error("FindLeadByPhone asked the database")
				}
			})

			t.Run("not found is cached too, for 30 seconds", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				for range 3 {
					if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
						t.Fatalf("FindLeadByPhone: %v, want ErrNotFound", err)
					}
				}
				if q := n.db.Queries(); q != 1 {
					t.Errorf("%d statements, want 1", q)
				}
				f.wantTTL(t, digits+":"+defaultOrg, 30*time.Second)
			})

			t.Run("not found is dropped the moment the lead is created on any node", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				for _, n := range []*node{a, b} {
					if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
						t.Fatalf("FindLeadByPhone: %v, want ErrNotFound", err)
					}
				}
				want := find(t, a, phone)
				if got, err := a.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil || got != want {
					t.Errorf("on the node that made it: %+v, %v, want %+v", got, err, want)
				}
				servertest.Eventually(t, soon, func() bool {
					got, err := b.FindLeadByPhone(t.Context(), phone, defaultOrg)
					return err == nil && got == want
				}, "the other node to see the new lead")
			})

			t.Run("a lead that another program made is found and no longer absent", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Fatal(err)
				}
				f.exec(t, `INSERT INTO leads (organization_id, phone_number, phone_number_normalized) VALUES ($1, 'theirs', $2)`,
					defaultOrg, digits)
				if lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg); err != nil || lead.PhoneNumber != "theirs" {
					t.Errorf("FindOrCreateLead = %+v, %v, want the other program's lead", lead, err)
				}
				if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil {
					t.Errorf("FindLeadByPhone: %v, want the lead", err)
				}
			})
		})
	}
}

func TestUpdateLead(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("the change is seen on every node, without waiting for a TTL", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				lead := remember(t, a)
				find(t, b, phone)
				want, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{
					CustomerName: leadsvc.Set("Ann"), Status: leadsvc.Set(leadsvc.StatusHot),
				})
				if err != nil || want.CustomerName.String != "Ann" || want.Status != leadsvc.StatusHot ||
					!want.UpdatedAt.After(lead.UpdatedAt) {
					t.Fatalf("UpdateLead = %+v, %v", want, err)
				}
				if got := find(t, a, phone); got != want {
					t.Errorf("on the node that wrote: %+v, want %+v", got, want)
				}
				servertest.Eventually(t, soon, func() bool { return find(t, b, phone) == want }, "the other node to see the change")
			})

			t.Run("the old key and the new one are both invalidated", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				lead := find(t, a, phone)
				for _, n := range []*node{a, b} {
					find(t, n, phone)
					if _, err := n.FindLeadByPhone(t.Context(), "6045550000", defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
						t.Fatal(err)
					}
				}
				want, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("(604) 555-0000")})
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []*node{a, b} {
					servertest.Eventually(t, soon, func() bool {
						_, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
						return errors.Is(err, leadsvc.ErrNotFound)
					}, "the old number to be nobody's")
					servertest.Eventually(t, soon, func() bool {
						got, err := n.FindLeadByPhone(t.Context(), "16045550000", defaultOrg)
						return err == nil && got == want
					}, "the new number to be the lead's")
				}
			})

			t.Run("a lead that moves to another organization is no longer seen in the old one", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
				a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
				lead := find(t, a, phone)
				for _, n := range []*node{a, b} {
					find(t, n, phone)
					if _, err := n.FindLeadByPhone(t.Context(), phone, otherOrg); !errors.Is(err, leadsvc.ErrNotFound) {
						t.Fatal(err)
					}
				}
				want, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{OrganizationID: leadsvc.Set(otherOrg)})
				if err != nil || want.OrganizationID != otherOrg {
					t.Fatalf("UpdateLead = %+v, %v", want, err)
				}
				if got, err := a.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Errorf("in the old organization: %+v, %v, want ErrNotFound", got, err)
				}
				for _, n := range []*node{a, b} {
					servertest.Eventually(t, soon, func() bool {
						_, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
						return errors.Is(err, leadsvc.ErrNotFound)
					}, "the old organization to have no such lead")
					servertest.Eventually(t, soon, func() bool {
						got, err := n.FindLeadByPhone(t.Context(), phone, otherOrg)
						return err == nil && got == want
					}, "the new organization to have the lead")
				}
				if got := find(t, b, phone); got.ID == lead.ID || got.OrganizationID != defaultOrg {
					t.Errorf("FindOrCreateLead in the old organization = %+v, want a lead of its own", got)
				}
			})

			t.Run("refused changes change nothing", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				lead := find(t, n, phone)
				find(t, n, "6045550000")
				for name, test := range map[string]struct {
					id      string
					changes leadsvc.LeadChanges
					want    error
				}{
					"no such lead":  {noOrg, leadsvc.LeadChanges{}, leadsvc.ErrNotFound},
					"phone":         {lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("anonymous")}, leadsvc.ErrInvalidPhone},
					"phone taken":   {lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("+16045550000")}, leadsvc.ErrConflict},
					"organization":  {lead.ID, leadsvc.LeadChanges{OrganizationID: leadsvc.Set(noOrg)}, leadsvc.ErrUnknownOrganization},
					"status":        {lead.ID, leadsvc.LeadChanges{Status: leadsvc.Set(leadsvc.Status("x"))}, leadsvc.ErrInvalid},
					"null required": {lead.ID, leadsvc.LeadChanges{Status: leadsvc.Null[leadsvc.Status]()}, leadsvc.ErrInvalid},
				} {
					if _, err := n.UpdateLead(t.Context(), test.id, test.changes); !errors.Is(err, test.want) {
						t.Errorf("%s: UpdateLead: %v, want %v", name, err, test.want)
					}
				}
				if got := find(t, n, phone); got != lead {
					t.Errorf("after refused changes: %+v, want %+v", got, lead)
				}
			})

			t.Run("a caller who leaves does not stop the invalidation", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				lead := find(t, n, phone)
				unlock := f.lockLeads(t)
				f.abandon(t, func(ctx context.Context) error {
					_, err := n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
					return err
				})
				find(t, n, phone) // remembered as it was
				unlock()
				servertest.Eventually(t, soon, func() bool { return find(t, n, phone).CustomerName.String == "Ann" },
					"the change to be seen")
			})
		})
	}
}

func TestInvalidateLeadCaches(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
			lead := remember(t, a)
			find(t, b, phone)
			f.exec(t, `UPDATE leads SET customer_name = 'SQL'`)
			if got := find(t, a, phone); got != lead {
				t.Fatalf("before the invalidation: %+v, want what was remembered", got)
			}
			if err := a.InvalidateLeadCaches(t.Context(), lead.ID, "778-652-8784", defaultOrg); err != nil {
				t.Fatal(err)
			}
			for _, n := range []*node{a, b} {
				servertest.Eventually(t, soon, func() bool { return find(t, n, phone).CustomerName.String == "SQL" },
					"the change to be seen")
			}
			if err := a.InvalidateLeadCaches(t.Context(), lead.ID, "anonymous", defaultOrg); !errors.Is(err, leadsvc.ErrInvalidPhone) {
				t.Errorf("InvalidateLeadCaches of no number: %v, want ErrInvalidPhone", err)
			}
		})
	}
}

func TestAppendMessage(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			n := f.node(t, leadsvc.Config{})
			lead := find(t, n, phone)
			m := leadsvc.Message{LeadID: lead.ID, Content: "hi", SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS, ExternalID: "SM1"}
			c, err := n.AppendMessage(t.Context(), m)
			if err != nil || c.LeadID != lead.ID || c.OrganizationID != defaultOrg || c.Content != "hi" {
				t.Errorf("AppendMessage = %+v, %v", c, err)
			}
			if again, err := n.AppendMessage(t.Context(), m); err != nil || again != c {
				t.Errorf("the same message again: %+v, %v, want %+v", again, err, c)
			}
			m.LeadID = noOrg
			if _, err := n.AppendMessage(t.Context(), m); !errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("AppendMessage to no lead: %v, want ErrNotFound", err)
			}
		})
	}
}

// remember makes n remember the lead with the number phone. The call that makes a
// lead leaves no trace of it in the cache.
func remember(t testing.TB, n *node) leadsvc.Lead {
	t.Helper()
	find(t, n, phone)
	return find(t, n, phone)
}

// find is FindOrCreateLead in the default organization.
func find(t testing.TB, n *node, phone string) leadsvc.Lead {
	t.Helper()
	lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
	if err != nil {
		t.Fatalf("FindOrCreateLead: %v", err)
	}
	return lead
}
