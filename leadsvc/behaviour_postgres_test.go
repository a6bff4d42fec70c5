package leadsvc_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/proxy"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// TestBehaviourWithPostgresDown is about what is cached, what is not, and how
// long a caller waits to hear it.
func TestBehaviourWithPostgresDown(t *testing.T) {
	t.Parallel()
	t.Run("cached entries are served, a miss is the database's error, nothing negative is cached", func(t *testing.T) {
		t.Parallel()
		for name, start := range outages {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				start(t).test(t)
			})
		}
	})

	t.Run("takes no changes: reads go on, a write is the database's error", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		role := f.asRole(t)
		o := twoNodes(t, f)
		lead := o.filled(t)
		f.exec(t, `ALTER ROLE `+role+` SET default_transaction_read_only = on`)
		f.turnOut(t, `usename = '`+role+`'`)
		n := o.nodes[0]
		servertest.Eventually(t, soon, func() bool {
			_, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
			return errors.Is(err, leadsvc.ErrUnavailable) && strings.Contains(err.Error(), "read-only")
		}, "the server to refuse a change")
		if err := message(t.Context(), n, lead.ID); !errors.Is(err, leadsvc.ErrUnavailable) {
			t.Errorf("AppendMessage: %v, want ErrUnavailable", err)
		}
		if _, err := n.FindOrCreateLead(t.Context(), "6045550000", defaultOrg); !errors.Is(err, leadsvc.ErrUnavailable) {
			t.Errorf("FindOrCreateLead: %v, want ErrUnavailable", err)
		}
		if got, err := n.Lead(t.Context(), lead.ID); err != nil || got != lead {
			t.Errorf("Lead = %+v, %v, want it unchanged", got, err)
		}
		wantNoLead(t, n, "6045550001", defaultOrg)
	})

	t.Run("both down: an error, in bounded time", func(t *testing.T) {
		t.Parallel()
		t.Run("nobody listens", func(t *testing.T) {
			t.Parallel()
			f := &fleet{databaseURL: "postgres://127.0.0.1:1/none?sslmode=disable", timeout: patience}
			n := f.nodeWith(t, tiered.RedisOptions{URL: "redis://127.0.0.1:1"}, leadsvc.Config{})
			wantOut(t, n, phone, noOrg)
		})
		t.Run("frozen", func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			database := f.proxied(t)
			redis, redisURL, err := proxy.InFront(f.redisURL)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(redis.Close)
			f.timeout = patience
			n := f.nodeWith(t, tiered.RedisOptions{URL: redisURL, Prefix: f.prefix}, leadsvc.Config{})
			servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
			lead := find(t, n, phone)
			redis.Freeze(proxy.Both)
			database.Freeze(proxy.Both)
			wantOut(t, n, "6045550000", lead.ID)
			redis.Thaw(proxy.Both)
			database.Thaw(proxy.Both)
			servertest.Eventually(t, longest, func() bool {
				_, err := n.FindOrCreateLead(t.Context(), "6045550000", defaultOrg)
				return err == nil
			}, "the database to answer again")
		})
	})
}

// test holds two nodes to the promises while their database is out, and after.
func (o *outage) test(t *testing.T) {
	t.Helper()
	const stranger = "+16045550000"
	lead := o.filled(t)
	o.wantOrganization(t, 0, phone, "Default")
	n := o.nodes[0]
	want := ask(t, n, lead)
	held := o.keys(t)

	o.begin(t)
	for i, n := range o.nodes {
		if diff := cmp.Diff(want, ask(t, n, lead)); diff != "" {
			t.Errorf("what is cached (-want +got):\n%s", diff)
		}
		o.wantOrganization(t, i, phone, "Default")
	}
	sent := n.db.Queries()
	asked := wantOut(t, n, stranger, noOrg)
	if q := n.db.Queries() - sent; q > uint64(asked) {
		t.Errorf("%d statements for %d calls, want no more than one each", q, asked)
	}
	o.wantKeys(t, held...)

	// What was not sent changes nothing.
	servertest.Eventually(t, longest, func() bool {
		_, err := n.Lead(t.Context(), lead.ID)
		return errors.Is(err, pg.ErrNotSent)
	}, "the last connection to be given up")
	if err := message(t.Context(), n, lead.ID); !errors.Is(err, leadsvc.ErrUnavailable) {
		t.Errorf("AppendMessage: %v, want ErrUnavailable", err)
	}
	o.wantKeys(t, held...)

	o.end(t)
	o.wantBack(t, stranger)
}

// wantOut fails unless all calls for what is not cached say that the database
// is out, in bounded time. It returns how many they are.
func wantOut(t *testing.T, n *node, phone, leadID string) (asked int) {
	t.Helper()
	all := calls(n, phone, leadID)
	var work sync.WaitGroup
	for method, call := range all {
		work.Go(func() {
			started := time.Now()
			err := call(t.Context())
			if !errors.Is(err, leadsvc.ErrUnavailable) || errors.Is(err, leadsvc.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want ErrUnavailable", method, err)
			} else if text := err.Error(); strings.Contains(text, "604555") || strings.Contains(text, "s3cret") {
				t.Errorf("%s: %s, want no number and no password", method, text)
			}
			if took := time.Since(started); took > longest {
				t.Errorf("%s: an answer after %v, want it within %v or so", method, took, patience)
			}
		})
	}
	work.Wait()
	return len(all)
}

// wantBack fails unless both nodes use the database again, by themselves.
func (o *outage) wantBack(t *testing.T, stranger string) {
	t.Helper()
	for _, n := range o.nodes {
		servertest.Eventually(t, longest, func() bool {
			_, err := n.FindLeadByPhone(t.Context(), stranger, defaultOrg)
			return errors.Is(err, leadsvc.ErrNotFound)
		}, "the database to answer again")
	}
	lead := find(t, o.nodes[0], stranger)
	servertest.Eventually(t, longest, func() bool {
		got, err := o.nodes[1].FindLeadByPhone(t.Context(), stranger, defaultOrg)
		return err == nil && got == lead
	}, "the other node to see a new lead")
}
