package leadsvc_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// What may not be served stale: what was invalidated, that there is nothing,
// what is older than ServeStale, and what is not remembered at all.
func TestNotServedStale(t *testing.T) {
	t.Parallel()
	o := outages["cut off"](t)
	const ttl = 2 * time.Second
	n := o.add(t, leadsvc.Config{LeadTTL: ttl, SummariesTTL: ttl, ServeStale: time.Hour, NotFoundTTL: ttl / 2})
	brief := o.add(t, leadsvc.Config{LeadTTL: ttl, ServeStale: time.Second})
	for _, n := range []*node{n, brief} {
		servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
	}
	const nobody, other = "+16045550000", "+16045550001"
	lead, changed := find(t, n, phone), find(t, n, other)
	for range 2 { // the second is remembered by the process
		find(t, n, phone)
		find(t, n, other)
		find(t, brief, phone)
		wantNoLead(t, n, nobody, defaultOrg)
		if _, err := n.Summaries(t.Context(), lead.ID); err != nil {
			t.Fatal(err)
		}
	}
	o.begin(t)
	if err := n.InvalidateLeadCaches(t.Context(), changed.ID, other, defaultOrg); err != nil {
		t.Fatal(err)
	}
	<-time.After(ttl)

	wantStale := func() {
		t.Helper()
		got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
		if stale, ok := errors.AsType[*leadsvc.StaleError](err); !ok || got != lead || stale.Age < ttl*9/10 {
			t.Errorf("FindLeadByPhone = %+v, %v, want %+v and its age", got, err, lead)
		}
	}
	wantStale()
	all, err := n.Summaries(t.Context(), lead.ID)
	if _, ok := errors.AsType[*leadsvc.StaleError](err); !ok || all == nil || len(all) != 0 {
		t.Errorf("Summaries = %v, %v, want the empty list, and that it is stale", all, err)
	}
	wantNone := func(n *node, what, phone string) {
		t.Helper()
		got, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
		if _, ok := errors.AsType[*leadsvc.StaleError](err); ok || got != (leadsvc.Lead{}) || !errors.Is(err, leadsvc.ErrUnavailable) {
			t.Errorf("%s: FindOrCreateLead = %+v, %v, want ErrUnavailable", what, got, err)
		}
		got, err = n.FindLeadByPhone(t.Context(), phone, defaultOrg)
		if got != (leadsvc.Lead{}) || !errors.Is(err, leadsvc.ErrUnavailable) || errors.Is(err, leadsvc.ErrNotFound) {
			t.Errorf("%s: FindLeadByPhone = %+v, %v, want ErrUnavailable", what, got, err)
		}
	}
	wantNone(n, "one that was changed", other)
	wantNone(n, "one that was not there", nobody)
	wantNone(n, "one that was never asked for", "+16045550002")
	<-time.After(time.Second) // ttl + ServeStale after the load, in all
	wantNone(brief, "one that is too old", phone)
	wantStale()

	if _, err := n.Lead(t.Context(), lead.ID); !errors.Is(err, leadsvc.ErrUnavailable) {
		t.Errorf("Lead: %v, want ErrUnavailable", err)
	}
	if err := message(t.Context(), n, lead.ID); !errors.Is(err, leadsvc.ErrUnavailable) {
		t.Errorf("AppendMessage: %v, want ErrUnavailable", err)
	}
	wantStale() // a write that was not sent ends nothing
	if st := n.CacheStatus(); st.Kinds["lead"].Stale < 3 || st.Total.Stale != st.Kinds["lead"].Stale+st.Kinds["summaries"].Stale {
		t.Errorf("CacheStatus counts %+v, want what was stale", st.Total)
	}
}

// Without ServeStale nothing is.
func TestServeStaleIsOffByDefault(t *testing.T) {
	t.Parallel()
	o := outages["cut off"](t)
	const ttl = time.Second
	n := o.add(t, leadsvc.Config{LeadTTL: ttl})
	servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
	find(t, n, phone)
	find(t, n, phone)
	o.begin(t)
	<-time.After(ttl)
	if got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); got != (leadsvc.Lead{}) || !errors.Is(err, leadsvc.ErrUnavailable) {
		t.Errorf("FindLeadByPhone = %+v, %v, want ErrUnavailable", got, err)
	}
}

// A database that answers that there is no organization is not out.
func TestStaleOrganizationThatIsGone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const ttl = time.Second
	n := f.node(t, leadsvc.Config{OrganizationTTL: ttl, ServeStale: time.Hour})
	for range 2 {
		if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
			t.Fatal(err)
		}
	}
	f.exec(t, `DELETE FROM organizations`)
	<-time.After(ttl)
	for range 3 { // damped, too
		got, err := n.OrganizationByPhone(t.Context(), phone)
		if _, stale := errors.AsType[*leadsvc.StaleError](err); got.ID != "" || stale || !errors.Is(err, leadsvc.ErrNoDefaultOrganization) {
			t.Errorf("OrganizationByPhone = %+v, %v, want ErrNoDefaultOrganization alone", got, err)
		}
	}
}

func TestConfigServeStale(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, test := range []struct {
		stale time.Duration
		ok    bool
	}{{-1, false}, {-time.Hour, false}, {0, true}, {1, true}, {math.MaxInt64, true}} {
		link, err := tiered.Dial(tiered.RedisOptions{Disabled: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { link.Close() })
		s, err := leadsvc.New(link, f.openDB(t), leadsvc.Config{ServeStale: test.stale})
		if s != nil {
			t.Cleanup(func() { s.Close() })
		}
		if test.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "Config.ServeStale") {
			t.Errorf("New with ServeStale %v: %v", test.stale, err)
		}
	}
}
