package leadsvc_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

var seed = flag.Uint64("seed", rand.Uint64(), "what tests that draw at random begin with")

// A crowd is leads of several organizations, as those see them who draw at
// random what they do.
type crowd struct {
	*fleet
	orgs, phones []string

	mu    sync.Mutex
	leads []leadsvc.Lead // as somebody once saw them
}

// newCrowd returns a crowd on organizations that it makes.
func newCrowd(t *testing.T, f *fleet) *crowd {
	t.Helper()
	c := &crowd{fleet: f}
	for i := range 4 {
		id := fmt.Sprintf("c0000000-0000-0000-0000-%012d", i)
		f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, $2)`, id, fmt.Sprint("Shop ", i))
		c.orgs = append(c.orgs, id)
	}
	for i := range 12 {
		c.phones = append(c.phones, fmt.Sprint(17780000000+i))
	}
	return c
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// spelled returns one of the ways in which people write a number.
func spelled(r *rand.Rand, phone string) string {
	return pick(r, []string{
		phone, "+" + phone, phone[1:], "+1 (" + phone[1:4] + ") " + phone[4:7] + "-" + phone[7:], "tel:" + phone,
	})
}

func (c *crowd) met(lead leadsvc.Lead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads = append(c.leads, lead)
}

// someone returns a lead that was seen, or one that nobody has.
func (c *crowd) someone(r *rand.Rand) leadsvc.Lead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.leads) == 0 || r.IntN(20) == 0 {
		return leadsvc.Lead{ID: noOrg, OrganizationID: defaultOrg, PhoneNumberNormalized: digits}
	}
	return pick(r, c.leads)
}

// act does one thing at random on n and returns what must never happen. The
// errors are those of rows that are not there, no longer, or in the way.
func (c *crowd) act(ctx context.Context, r *rand.Rand, n *node) error {
	org, phone, lead := pick(r, c.orgs), pick(r, c.phones), c.someone(r)
	switch r.IntN(10) {
	case 0, 1:
		got, err := n.FindOrCreateLead(ctx, spelled(r, phone), org)
		if err != nil {
			return err
		}
		c.met(got)
		return c.belongs(got, org, phone)
	case 2, 3, 4:
		got, err := n.FindLeadByPhone(ctx, spelled(r, phone), org)
		if err != nil {
			return unless(err, leadsvc.ErrNotFound)
		}
		return c.belongs(got, org, phone)
	case 5:
		_, err := n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set(phone), OrganizationID: leadsvc.Set(org)})
		return unless(err, leadsvc.ErrNotFound, leadsvc.ErrConflict)
	case 6:
		_, err := n.AppendMessage(ctx, leadsvc.Message{
			LeadID: lead.ID, Content: lead.ID, SentBy: leadsvc.SenderAgent, Type: leadsvc.ChannelSMS,
		})
		return unless(err, leadsvc.ErrNotFound)
	case 7:
		said, err := n.Conversations(ctx, lead.ID, 1+r.IntN(5))
		for _, m := range said {
			if m.LeadID != lead.ID || m.Content != lead.ID {
				return fmt.Errorf("Conversations(%s) = one of %s", lead.ID, m.LeadID)
			}
		}
		return err
	case 8:
		got, err := n.ConversationContext(ctx, lead.ID)
		if err == nil && (got.LeadID != lead.ID || strings.Count(got.Text, "Agent: ") != strings.Count(got.Text, "Agent: "+lead.ID)) {
			return fmt.Errorf("ConversationContext(%s) = %+v", lead.ID, got)
		}
		return unless(err, leadsvc.ErrNotFound)
	default:
		return c.plant(ctx, lead, org, phone)
	}
}

// belongs fails unless lead is what was asked for.
func (*crowd) belongs(lead leadsvc.Lead, org, phone string) error {
	if lead.OrganizationID == org && lead.PhoneNumberNormalized == phone {
		return nil
	}
	return fmt.Errorf("asked for %s in %s, got the lead of %s in %s",
		phone, org, lead.PhoneNumberNormalized, lead.OrganizationID)
}

// plant puts a lead into Redis where it does not belong, as a program that
// takes the keys for its own would.
func (c *crowd) plant(ctx context.Context, lead leadsvc.Lead, org, phone string) error {
	value, err := json.Marshal(lead)
	if err != nil {
		return err
	}
	set := c.redis.B().Set().Key(c.prefix + phone + ":" + org).Value(string(value)).Build()
	return c.redis.Do(ctx, set).Error()
}

// unless returns err if it is none of these.
func unless(err error, these ...error) error {
	for _, one := range these {
		if errors.Is(err, one) {
			return nil
		}
	}
	return err
}

// A lead of one organization is never the answer to another, whatever happens
// at once on several nodes, and in the end all have what the database has.
func TestTenantsAreKeptApart(t *testing.T) {
	t.Parallel()
	t.Logf("-seed %d", *seed)
	const nodes, callers, steps = 3, 3, 150
	c := newCrowd(t, newFleet(t))
	var (
		fleet []*node
		work  sync.WaitGroup
	)
	for i := range nodes {
		n := c.node(t, leadsvc.Config{})
		fleet = append(fleet, n)
		for j := range callers {
			r := rand.New(rand.NewPCG(*seed, uint64(i*callers+j)))
			work.Go(func() {
				for range steps {
					if err := c.act(t.Context(), r, n); err != nil {
						t.Errorf("-seed %d: %v", *seed, err)
						return
					}
				}
			})
		}
	}
	work.Wait()
	for _, org := range c.orgs {
		for _, phone := range c.phones {
			c.wantStored(t, org, phone, fleet...)
		}
	}
}

// wantStored waits until these nodes have the lead that the database has.
func (f *fleet) wantStored(t *testing.T, org, phone string, nodes ...*node) {
	t.Helper()
	want, wantErr := nodes[0].db.LeadByPhone(t.Context(), org, phone)
	for i, n := range nodes {
		servertest.Eventually(t, soon, func() bool {
			got, err := n.FindLeadByPhone(t.Context(), phone, org)
			return got == want && errors.Is(err, wantErr)
		}, fmt.Sprintf("node %d to have the lead that the database has", i))
	}
}
