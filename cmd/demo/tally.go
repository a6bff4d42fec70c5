package main

import (
	"maps"
	"slices"
)

// A tally is a copy of the ledger's counters.
type tally struct {
	requests           map[endpoint]int
	answers            int
	twoLeads, wrongOrg int
	updates            updateCount
	errors             map[string]int
}

func (t tally) requestCount() int { return sum(t.requests) }

func (t tally) errorCount() int { return sum(t.errors) }

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return tally{
		requests: maps.Clone(l.requests), answers: l.answers,
		twoLeads: l.twoLeads, wrongOrg: l.wrongOrg,
		updates: l.updates, errors: maps.Clone(l.errors),
	}
}

// customers returns everyone who wrote or phoned.
func (l *ledger) customers() map[customer]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[customer]bool, len(l.leads))
	for c := range l.leads {
		all[c] = true
	}
	return all
}

// sentMessages returns a copy of the messages sent; true: answered.
func (l *ledger) sentMessages() map[message]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.messages)
}

// knownLeads returns every customer whose lead is known.
func (l *ledger) knownLeads() []knownLead {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.known)
}

// seenNumbers returns the numbers that were written to or phoned, as given,
// each with the organization that must answer.
func (l *ledger) seenNumbers() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.numbers)
}

func sum[K comparable](counts map[K]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
