package leadsvc_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

func TestClassifyLead(t *testing.T) {
	t.Parallel()
	const (
		hot, qualified   = leadsvc.StatusHot, leadsvc.StatusQualified
		contacted, fresh = leadsvc.StatusContacted, leadsvc.StatusNew
	)
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	for _, test := range []struct {
		in    leadsvc.Classification
		want  leadsvc.Status
		ready bool
	}{
		{leadsvc.Classification{}, fresh, false},
		{leadsvc.Classification{Engaged: true}, contacted, false},
		{leadsvc.Classification{AppointmentScheduled: true}, qualified, false},
		{leadsvc.Classification{AppointmentScheduled: true, Engaged: true}, qualified, false},
		{leadsvc.Classification{PurchaseIntent: 0.7}, fresh, false},
		{leadsvc.Classification{PurchaseIntent: 0.71}, fresh, true},
		{leadsvc.Classification{PurchaseIntent: 0.8}, fresh, true},
		{leadsvc.Classification{PurchaseIntent: 0.8, Engaged: true}, contacted, true},
		{leadsvc.Classification{PurchaseIntent: 0.8, AppointmentScheduled: true}, qualified, true},
		{leadsvc.Classification{PurchaseIntent: math.Nextafter(0.8, 1)}, hot, true},
		{leadsvc.Classification{PurchaseIntent: math.Nextafter(0.7, 1)}, fresh, true},
		{leadsvc.Classification{PurchaseIntent: 0.9, AppointmentScheduled: true, Engaged: true}, hot, true},
		{leadsvc.Classification{PurchaseIntent: 1, Timeline: `"next" week 🚲`}, hot, true},
	} {
		got, err := n.ClassifyLead(t.Context(), lead.ID, test.in)
		if err != nil || got.Status != test.want {
			t.Errorf("ClassifyLead(%+v) = status %s, %v, want %s", test.in, got.Status, err, test.want)
		}
		want := map[string]any{
			"ready_to_buy": test.ready, "timeline": test.in.Timeline,
			"purchase_intent": test.in.PurchaseIntent, "contact_preference": "phone",
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(got.QualificationData), &data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, data); diff != "" {
			t.Errorf("ClassifyLead(%+v): qualification data (-want +got)\n%s", test.in, diff)
		}
	}
}

func TestClassifyLeadRefuses(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := remember(t, n)
	sent := n.db.Queries()
	for name, test := range map[string]struct {
		in    leadsvc.Classification
		field string
	}{
		"NaN":           {leadsvc.Classification{PurchaseIntent: math.NaN()}, "purchase_intent"},
		"negative":      {leadsvc.Classification{PurchaseIntent: -0.01}, "purchase_intent"},
		"above 1":       {leadsvc.Classification{PurchaseIntent: math.Nextafter(1, 2)}, "purchase_intent"},
		"infinite":      {leadsvc.Classification{PurchaseIntent: math.Inf(1)}, "purchase_intent"},
		"NUL":           {leadsvc.Classification{Timeline: "s3cret\x00"}, "timeline"},
		"invalid UTF-8": {leadsvc.Classification{Timeline: "s3cret\xff"}, "timeline"},
	} {
		_, err := n.ClassifyLead(t.Context(), lead.ID, test.in)
		if !errors.Is(err, leadsvc.ErrInvalid) || !strings.Contains(err.Error(), test.field) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: ClassifyLead: %v, want ErrInvalid that names %s", name, err, test.field)
		}
	}
	if got := n.db.Queries() - sent; got != 0 {
		t.Errorf("refused classifications sent %d statements, want none", got)
	}
	if _, err := n.ClassifyLead(t.Context(), noOrg, leadsvc.Classification{}); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Errorf("ClassifyLead of no lead: %v, want ErrNotFound", err)
	}
}

// A classification goes the way of every change: all nodes see it.
func TestClassifyLeadIsSeenEverywhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
	lead := remember(t, a)
	find(t, b, phone)
	want, err := a.ClassifyLead(t.Context(), lead.ID, leadsvc.Classification{PurchaseIntent: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	if got := find(t, a, phone); got != want {
		t.Errorf("on the node that classified: %+v, want %+v", got, want)
	}
	servertest.Eventually(t, soon, func() bool { return find(t, b, phone) == want }, "the other node to see the status")
}
