package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"leadcache/tiered"
)

// A customer is one phone in the books of one organization: what a lead is
// made for.
type customer struct {
	phone        string // normalized
	organization string // id
}

// A knownLead is what the nodes answered for a customer.
type knownLead struct {
	customer
	id string
}

// A ledger is the parent's own account of the traffic, to be compared with
// the caches and the database. It is used by many goroutines at once.
type ledger struct {
	organizations []organization            // the first is the default one; never changed
	roundTrip     series                    // of messages, as a conversation sees them
	lookup        map[tiered.Source]*series // of the two look-ups in the node; the map is never changed
	updated       sightings                 // of changed names
	created       sightings                 // of new leads

	mu         sync.Mutex          // guards the rest
	phones     int                 // handed out so far
	leads      map[customer]string // lead id; empty: sent, not answered yet
	known      []knownLead         // with an answer, the oldest first
	messages   map[string]bool     // ids sent; true: answered
	deliveries int                 // of messages, some of them twice
	numbers    map[string]string   // number as given → id of the organization that must answer
	reads      int                 // of a lead, over HTTP
	updates    updateCount         // what the updater did
	twoLeads   int                 // answers with another lead than before, or none
	wrongOrg   int                 // answers with another organization than the number's
	errors     map[string]int      // by kind
}

// updateCount tells of the updater's work.
type updateCount struct {
	Updates   int `json:"updates"`
	NewLeads  int `json:"new_leads"`  // known absent elsewhere, then created on one node
	Sightings int `json:"sightings"`  // expected on other nodes, of both
	Missed    int `json:"missed"`     // of those: did not come in time
	NotCached int `json:"not_cached"` // watches that began without the lead in the local tier
}

// sightings tell when other nodes saw changes, counted from the moment when
// the writer's call had returned. What was before that is zero.
type sightings struct {
	stale   series // until the first read began that did not return the old value
	visible series // until that read had returned the new one
}

func newLedger(organizations []organization) *ledger {
	return &ledger{
		organizations: organizations,
		lookup: map[tiered.Source]*series{
			tiered.SourceLocal: {}, tiered.SourceRedis: {}, tiered.SourceLoader: {},
		},
		leads:    make(map[customer]string),
		messages: make(map[string]bool),
		numbers:  make(map[string]string),
		errors:   make(map[string]int),
	}
}

// newPhone returns a phone that no one has used in this run, normalized. The
// exchange 555 is not assigned to anyone.
func (l *ledger) newPhone() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.phones
	l.phones++
	return fmt.Sprintf("1%03d555%04d", 200+(n/10_000)%800, n%10_000)
}

// popular returns a customer who has written before. Earlier customers are
// more popular: the one of rank r is picked about 1/r as often as the first.
func (l *ledger) popular() (knownLead, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) == 0 {
		return knownLead{}, false
	}
	// n to the power of a uniform number is distributed like 1/r.
	rank := math.Pow(float64(len(l.known)), rand.Float64())
	return l.known[min(int(rank), len(l.known))-1], true
}

// sending notes a message that is about to leave.
func (l *ledger) sending(c customer, m inbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.leads[c]; !ok {
		l.leads[c] = ""
	}
	if _, again := l.messages[m.ID]; !again {
		l.messages[m.ID] = false
	}
	l.deliveries++
	l.numbers[m.To] = c.organization
}

// answered notes the answer to a message.
func (l *ledger) answered(c customer, m inbound, a answer, roundTrip time.Duration) {
	if a.Error != "" || a.ID != m.ID {
		l.failed("message: " + cmp.Or(a.Error, "answer to another message"))
		return
	}
	l.roundTrip.add(roundTrip)
	for source, s := range l.lookup {
		if source.String() == a.Source {
			s.add(time.Duration(a.LookupNS))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[m.ID] = true
	if a.OrganizationID != c.organization {
		l.wrongOrg++
	}
	l.sameLeadLocked(c, a.LeadID)
}

// read notes that a node answered a read of c's lead.
func (l *ledger) read(c customer, leadID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	l.sameLeadLocked(c, leadID)
}

// readAbsent notes that a node answered a read with "no such lead", rightly.
func (l *ledger) readAbsent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
}

func (l *ledger) sameLeadLocked(c customer, leadID string) {
	switch before := l.leads[c]; {
	case before == "" && leadID != "":
		l.leads[c] = leadID
		l.known = append(l.known, knownLead{c, leadID})
	case before != leadID || leadID == "":
		l.twoLeads++
	}
}

// failed notes an error by its kind, which must not hold a phone number.
func (l *ledger) failed(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors[kind]++
}

// update changes the account of the updater.
func (l *ledger) update(change func(*updateCount)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.updates)
}

// A tally is a copy of the ledger's counters.
type tally struct {
	deliveries, answered, reads int
	twoLeads, wrongOrg          int
	updates                     updateCount
	errors                      map[string]int
}

func (t tally) requests() int { return t.deliveries + t.reads + t.updates.Updates }

func (t tally) errorCount() int {
	n := 0
	for _, count := range t.errors {
		n += count
	}
	return n
}

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := tally{
		deliveries: l.deliveries, reads: l.reads,
		twoLeads: l.twoLeads, wrongOrg: l.wrongOrg,
		updates: l.updates, errors: maps.Clone(l.errors),
	}
	for _, answered := range l.messages {
		if answered {
			t.answered++
		}
	}
	return t
}

// customers returns everyone for whom a message was sent.
func (l *ledger) customers() map[customer]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := make(map[customer]bool, len(l.leads))
	for c := range l.leads {
		sent[c] = true
	}
	return sent
}

// sentMessages returns a copy of the ids sent; true: answered.
func (l *ledger) sentMessages() map[string]bool {
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

// seenNumbers returns the numbers that were written to, as given, each with
// the organization that must answer.
func (l *ledger) seenNumbers() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.numbers)
}
