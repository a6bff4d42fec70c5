package main

import (
	"strings"
	"testing"
)

// Each check must be able to fail: with wrong data, and with none at all.

func TestChecks(t *testing.T) {
	a, b := customer{"16045550101", "org"}, customer{"16045550102", "org"}
	one, two := message{a, "1"}, message{a, "2"}
	good := tally{requests: map[endpoint]int{socketText: 3, leadRead: 2}, answers: 5}
	updates := updateCount{Updates: 2, NewLeads: 1, Sightings: 6}
	for _, test := range []struct {
		name string
		got  check
		ok   bool
		want string // in the detail
	}{
		{"no error", checkErrors(good), true, "5 requests"},
		{"an error", checkErrors(tally{requests: good.requests, errors: map[string]int{"SMS webhook: EOF": 2}}), false, "2 × SMS webhook: EOF"},
		{"no request", checkErrors(tally{}), false, "0 requests"},

		{"same leads", checkTraffic(good), true, "5 answers"},
		{"two leads", checkTraffic(tally{answers: 3, twoLeads: 1}), false, "1 with another lead"},
		{"wrong organization", checkTraffic(tally{answers: 3, wrongOrg: 2}), false, "2 with another organization"},
		{"no answers", checkTraffic(tally{}), false, "0 answers"},

		{"equal answers", checkAnswers(4, nil), true, "4 answers"},
		{"an old name", checkAnswers(4, map[string]int{"lead.customer_name": 1}), false, "1 × lead.customer_name"},
		{"nothing compared", checkAnswers(0, nil), false, "0 answers"},

		{"one lead each", checkLeads(map[customer]bool{a: true, b: true}, map[customer]int{a: 1, b: 1}), true, "2 leads"},
		{"created twice", checkLeads(map[customer]bool{a: true}, map[customer]int{a: 2}), false, "1 more than once"},
		{"not created", checkLeads(map[customer]bool{a: true, b: true}, map[customer]int{a: 1}), false, "1 missing"},
		{"created for no one", checkLeads(map[customer]bool{a: true}, map[customer]int{a: 1, b: 1}), false, "1 for no one"},
		{"no leads", checkLeads(nil, nil), false, "0 leads"},

		{"stored once", checkMessages(map[message]bool{one: true, two: false}, map[message]int{one: 1}), true, "1 messages"},
		{"stored without answer", checkMessages(map[message]bool{one: false}, map[message]int{one: 1}), true, "1 messages"},
		{"stored twice", checkMessages(map[message]bool{one: true}, map[message]int{one: 2}), false, "1 more than once"},
		{"stored for another sender", checkMessages(map[message]bool{one: true}, map[message]int{{b, "1"}: 1}), false, "1 missing, 0 more than once, 1 never sent"},
		{"lost", checkMessages(map[message]bool{one: true}, nil), false, "1 missing"},
		{"never sent", checkMessages(map[message]bool{one: true}, map[message]int{one: 1, {a, ""}: 1}), false, "1 never sent"},
		{"no messages", checkMessages(nil, nil), false, "0 messages"},

		{"new names", checkNames(4, nil, updates), true, "6 calls"},
		{"an old greeting in the end", checkNames(4, map[string]int{"greeting": 2}, updates), false, "2 × greeting"},
		{"an old name at once", checkNames(4, nil, updateCount{Updates: 2, OldNames: 1}), false, "1 at once"},
		{"nobody renamed", checkNames(0, nil, updateCount{}), false, "0 calls"},

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
