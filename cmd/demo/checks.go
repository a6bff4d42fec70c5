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
	stored, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	compared, differences, err := compareAll(ctx, f, questions(l, stored))
	if err != nil {
		return nil, err
	}
	briefed, oldNames, err := compareAll(ctx, f, calls(l, stored))
	if err != nil {
		return nil, err
	}
	t := l.tally()
	return []check{
		checkErrors(t),
		checkTraffic(t),
		checkAnswers(compared, differences),
		checkNames(briefed, oldNames, t.updates),
		checkLeads(l.customers(), stored.leadCounts),
		checkMessages(l.sentMessages(), stored.messageCounts),
		checkUpdates(t.updates, len(f.nodes)),
	}, nil
}

func checkErrors(t tally) check {
	c := check{Name: "no errors", OK: t.errorCount() == 0 && t.requestCount() > 0}
	c.Detail = fmt.Sprintf("%s requests", count(t.requestCount()))
	if len(t.errors) > 0 {
		c.Detail = byKind(t.errors)
	}
	return c
}

func byKind(counts map[string]int) string {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		kinds = append(kinds, fmt.Sprintf("%s × %s", count(counts[kind]), kind))
	}
	return strings.Join(kinds, ", ")
}

func checkTraffic(t tally) check {
	c := check{Name: "one lead per phone and organization in every answer"}
	c.OK = t.twoLeads+t.wrongOrg == 0 && t.answers > 0
	c.Detail = fmt.Sprintf("%s answers of all endpoints", count(t.answers))
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
		c.Detail += "; different: " + byKind(differences)
	}
	return c
}

// checkNames judges phone calls to every node, after the traffic, of leads
// that were renamed, and those on the writer's node right after each update.
func checkNames(briefed int, outdated map[string]int, u updateCount) check {
	c := check{Name: "calls after an update say the new name", OK: len(outdated) == 0 && u.OldNames == 0 && briefed > 0}
	c.Detail = fmt.Sprintf("%s calls: variables, greeting, context", count(briefed+u.Updates))
	if u.OldNames > 0 {
		c.Detail += fmt.Sprintf("; old: %s at once", count(u.OldNames))
	}
	if len(outdated) > 0 {
		c.Detail += "; old in the end: " + byKind(outdated)
	}
	return c
}

// checkLeads compares who wrote or phoned with the leads in the
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
		c.Detail = fmt.Sprintf("%s missing, %s more than once, %s for no one who wrote or phoned",
			count(missing), count(twice), count(unknown))
	}
	return c
}

// checkMessages compares the messages sent, true for an answered one, with
// those in the database, each with the customer who sent it. One without an
// answer may be there once or not.
func checkMessages(sent map[message]bool, stored map[message]int) check {
	var missing, twice, unknown int
	for m, answered := range sent {
		if answered && stored[m] == 0 {
			missing++
		}
	}
	for m, n := range stored {
		if n > 1 {
			twice++
		}
		if _, ok := sent[m]; !ok {
			unknown++
		}
	}
	c := check{Name: "every message stored once, for its sender", OK: missing+twice+unknown == 0 && len(stored) > 0}
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
