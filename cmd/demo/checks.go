package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A check is one promise and whether it held.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Every check fails when there was nothing to judge.

// runChecks asks nodes and database, after the traffic, and judges.
func runChecks(ctx context.Context, f *fleet, l *ledger, s *store) ([]check, error) {
	leads, err := s.rows(ctx, "leads")
	if err != nil {
		return nil, err
	}
	organizations, err := s.rows(ctx, "organizations")
	if err != nil {
		return nil, err
	}
	compared, differences, err := compareAll(ctx, f, questions(l), map[string]map[string]row{
		"/lead": leads, "/organization": organizations,
	})
	if err != nil {
		return nil, err
	}
	leadCounts, err := s.leadCounts(ctx)
	if err != nil {
		return nil, err
	}
	messageCounts, err := s.messageCounts(ctx)
	if err != nil {
		return nil, err
	}
	t := l.tally()
	return []check{
		checkErrors(t),
		checkTraffic(t),
		checkAnswers(compared, differences),
		checkLeads(l.customers(), leadCounts),
		checkMessages(l.sentMessages(), messageCounts),
		checkUpdates(t.updates, len(f.nodes)),
	}, nil
}

func checkErrors(t tally) check {
	c := check{Name: "no errors", OK: t.errorCount() == 0 && t.requests() > 0}
	c.Detail = fmt.Sprintf("%s requests", count(t.requests()))
	if len(t.errors) > 0 {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(t.errors)) {
			kinds = append(kinds, fmt.Sprintf("%s × %s", count(t.errors[kind]), kind))
		}
		c.Detail = strings.Join(kinds, ", ")
	}
	return c
}

func checkTraffic(t tally) check {
	c := check{Name: "one lead per phone and organization in every answer"}
	c.OK = t.twoLeads+t.wrongOrg == 0 && t.answered > 0
	c.Detail = fmt.Sprintf("%s answers", count(t.answered+t.reads))
	if t.twoLeads+t.wrongOrg > 0 {
		c.Detail = fmt.Sprintf("%s with another lead, %s with another organization",
			count(t.twoLeads), count(t.wrongOrg))
	}
	return c
}

// checkAnswers judges the comparison of caches and database. differences
// counts, by field.
func checkAnswers(compared int, differences map[string]int) check {
	c := check{Name: "answers equal to the database", OK: len(differences) == 0 && compared > 0}
	c.Detail = fmt.Sprintf("%s answers, field by field", count(compared))
	if len(differences) > 0 {
		var fields []string
		for _, field := range slices.Sorted(maps.Keys(differences)) {
			fields = append(fields, fmt.Sprintf("%s × %s", count(differences[field]), field))
		}
		c.Detail += "; different: " + strings.Join(fields, ", ")
	}
	return c
}

// checkLeads compares for whom messages were sent with the leads in the
// database.
func checkLeads(sent map[customer]bool, stored map[customer]int) check {
	var missing, twice, unknown int
	for c := range sent {
		if stored[c] == 0 {
			missing++
		}
	}
	for c, n := range stored {
		if n > 1 {
			twice++
		}
		if !sent[c] {
			unknown++
		}
	}
	c := check{Name: "each lead created exactly once", OK: missing+twice+unknown == 0 && len(stored) > 0}
	c.Detail = fmt.Sprintf("%s leads", count(len(stored)))
	if missing+twice+unknown > 0 {
		c.Detail = fmt.Sprintf("%s missing, %s more than once, %s for no one who wrote",
			count(missing), count(twice), count(unknown))
	}
	return c
}

// checkMessages compares the messages sent, true for an answered one, with
// those in the database. One without an answer may be there once or not.
func checkMessages(sent map[string]bool, stored map[string]int) check {
	var missing, twice, unknown int
	for id, answered := range sent {
		if answered && stored[id] == 0 {
			missing++
		}
	}
	for id, n := range stored {
		if n > 1 {
			twice++
		}
		if _, ok := sent[id]; !ok {
			unknown++
		}
	}
	c := check{Name: "every message stored once", OK: missing+twice+unknown == 0 && len(stored) > 0}
	c.Detail = fmt.Sprintf("%s messages", count(len(stored)))
	if missing+twice+unknown > 0 {
		c.Detail = fmt.Sprintf("%s missing, %s more than once, %s never sent",
			count(missing), count(twice), count(unknown))
	}
	return c
}

func checkUpdates(u updateCount, nodes int) check {
	c := check{Name: "every update seen everywhere"}
	c.OK = u.Missed == 0 && u.Updates > 0 && u.Sightings == (u.Updates+u.NewLeads)*(nodes-1)
	c.Detail = fmt.Sprintf("%s updates and %s new leads, %s sightings on other nodes",
		count(u.Updates), count(u.NewLeads), count(u.Sightings))
	if u.Missed > 0 {
		c.Detail += fmt.Sprintf(", %s of them not within %v", count(u.Missed), watchTime)
	}
	return c
}
