package main

import (
	"strings"
	"testing"
)

// Each check must be able to fail: with wrong data, and with none at all.

func TestChecks(t *testing.T) {
	a, b := customer{"16045550101", "org"}, customer{"16045550102", "org"}
	good := tally{deliveries: 3, answered: 3, reads: 2}
	updates := updateCount{Updates: 2, NewLeads: 1, Sightings: 6}
	for _, test := range []struct {
		name string
		got  check
		ok   bool
		want string // in the detail
	}{
		{"no error", checkErrors(good), true, "5 requests"},
		{"an error", checkErrors(tally{deliveries: 3, errors: map[string]int{"message: EOF": 2}}), false, "2 × message: EOF"},
		{"no request", checkErrors(tally{}), false, "0 requests"},

		{"same leads", checkTraffic(good), true, "5 answers"},
		{"two leads", checkTraffic(tally{answered: 3, twoLeads: 1}), false, "1 with another lead"},
		{"wrong organization", checkTraffic(tally{answered: 3, wrongOrg: 2}), false, "2 with another organization"},
		{"no answers", checkTraffic(tally{}), false, "0 answers"},

		{"equal answers", checkAnswers(4, nil), true, "4 answers"},
		{"an old name", checkAnswers(4, map[string]int{"lead.customer_name": 1}), false, "1 × lead.customer_name"},
		{"nothing compared", checkAnswers(0, nil), false, "0 answers"},

		{"one lead each", checkLeads(map[customer]bool{a: true, b: true}, map[customer]int{a: 1, b: 1}), true, "2 leads"},
		{"created twice", checkLeads(map[customer]bool{a: true}, map[customer]int{a: 2}), false, "1 more than once"},
		{"not created", checkLeads(map[customer]bool{a: true, b: true}, map[customer]int{a: 1}), false, "1 missing"},
		{"created for no one", checkLeads(map[customer]bool{a: true}, map[customer]int{a: 1, b: 1}), false, "1 for no one"},
		{"no leads", checkLeads(nil, nil), false, "0 leads"},

		{"stored once", checkMessages(map[string]bool{"1": true, "2": false}, map[string]int{"1": 1}), true, "1 messages"},
		{"stored without answer", checkMessages(map[string]bool{"1": false}, map[string]int{"1": 1}), true, "1 messages"},
		{"stored twice", checkMessages(map[string]bool{"1": true}, map[string]int{"1": 2}), false, "1 more than once"},
		{"lost", checkMessages(map[string]bool{"1": true}, nil), false, "1 missing"},
		{"never sent", checkMessages(map[string]bool{"1": true}, map[string]int{"1": 1, "": 1}), false, "1 never sent"},
		{"no messages", checkMessages(nil, nil), false, "0 messages"},

		{"all seen", checkUpdates(updates, 3), true, "6 sightings"},
		{"one not seen", checkUpdates(updateCount{Updates: 3, Sightings: 6, Missed: 1}, 3), false, "1 of them not within"},
		{"one not awaited", checkUpdates(updateCount{Updates: 3, Sightings: 5}, 3), false, "5 sightings"},
		{"no updates", checkUpdates(updateCount{}, 3), false, "0 updates"},
		{"one node alone", checkUpdates(updateCount{Updates: 3, NewLeads: 1}, 1), true, "0 sightings"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.got.OK != test.ok || !strings.Contains(test.got.Detail, test.want) {
				t.Errorf("check = %+v, want ok %v and a detail with %q", test.got, test.ok, test.want)
			}
			if strings.Contains(test.got.Detail, a.phone) {
				t.Errorf("detail %q holds a phone number", test.got.Detail)
			}
		})
	}
}

func TestReportFailure(t *testing.T) {
	r := &report{Checks: []check{{Name: "first", OK: true}, {Name: "second"}, {Name: "third"}}}
	if err := r.failure(); err == nil || err.Error() != "FAILED: second; third" {
		t.Errorf("failure() = %v, want the two that failed", err)
	}
	r.Checks = r.Checks[:1]
	if err := r.failure(); err != nil {
		t.Errorf("failure() = %v, want nil", err)
	}
}

func TestDifference(t *testing.T) {
	stored := row{
		"id": "1", "customer_name": nil, "bike_interest": map[string]any{"size": 54.0},
		"updated_at": "2026-03-01T10:00:00.123456+00:00", "last_contact_at": nil,
	}
	for _, test := range []struct {
		name  string
		alter func(row)
		want  string
	}{
		{"the same", func(row) {}, ""},
		{"null as an empty text", func(r row) { r["customer_name"] = "" }, ""},
		{"null left out", func(r row) { delete(r, "last_contact_at") }, ""},
		{"time in another zone", func(r row) { r["updated_at"] = "2026-03-01T02:00:00.123456-08:00" }, ""},
		{"an older time", func(r row) { r["updated_at"] = "2026-03-01T10:00:00.123455Z" }, "updated_at"},
		{"a name", func(r row) { r["customer_name"] = "Ann" }, "customer_name"},
		{"another object", func(r row) { r["bike_interest"] = map[string]any{"size": 56.0} }, "bike_interest"},
		{"a value left out", func(r row) { delete(r, "id") }, "id"},
		{"a field that no column has", func(r row) { r["nick"] = "Annie" }, "nick"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := row{
				"id": "1", "customer_name": nil, "bike_interest": map[string]any{"size": 54.0},
				"updated_at": "2026-03-01T10:00:00.123456Z", "last_contact_at": nil,
			}
			test.alter(got)
			if field := difference(stored, got); field != test.want {
				t.Errorf("difference = %q, want %q", field, test.want)
			}
		})
	}
}

func TestLedger(t *testing.T) {
	c := customer{"16045550101", "org"}
	m := inbound{ID: "m1", To: "+16045550100"}
	t.Run("another lead for the same customer is noticed", func(t *testing.T) {
		l := newLedger(nil)
		l.sending(c, m)
		l.answered(c, m, answer{ID: "m1", OrganizationID: "org", LeadID: "a", Source: "local"}, 1)
		l.read(c, "a")
		if got := l.tally(); got.twoLeads != 0 {
			t.Errorf("twoLeads = %d, want 0", got.twoLeads)
		}
		l.read(c, "b")
		l.answered(c, m, answer{ID: "m1", OrganizationID: "other", LeadID: "c"}, 1)
		l.answered(customer{"16045550102", "org"}, m, answer{ID: "m1", OrganizationID: "org"}, 1)
		if got := l.tally(); got.twoLeads != 3 || got.wrongOrg != 1 {
			t.Errorf("twoLeads = %d, wrongOrg = %d, want 3 and 1", got.twoLeads, got.wrongOrg)
		}
	})
	t.Run("an answer with an error is an error", func(t *testing.T) {
		l := newLedger(nil)
		l.sending(c, m)
		l.answered(c, m, answer{ID: "m1", Error: "lead look-up"}, 1)
		l.answered(c, m, answer{ID: "m2"}, 1)
		got := l.tally()
		if got.errorCount() != 2 || got.answered != 0 || len(l.knownLeads()) != 0 {
			t.Errorf("tally = %+v, want two errors and no answer", got)
		}
	})
	t.Run("a message delivered twice is one message", func(t *testing.T) {
		l := newLedger(nil)
		l.sending(c, m)
		l.answered(c, m, answer{ID: "m1", OrganizationID: "org", LeadID: "a"}, 1)
		l.sending(c, m)
		if sent := l.sentMessages(); len(sent) != 1 || !sent["m1"] || l.tally().deliveries != 2 {
			t.Errorf("sent = %v after %d deliveries, want one answered message after two", sent, l.tally().deliveries)
		}
	})
}
