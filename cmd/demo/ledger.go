package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"leadcache/tiered"
)

// A customer is one phone in the books of one organization: what a lead is
// made for.
type customer struct {
	phone        string // normalized; empty: withheld, and no lead is made
	organization string // id
}

// A knownLead is what the nodes answered for a customer.
type knownLead struct {
	customer
	id string
}

// A message is one text of a customer, by the name that the carrier gave it.
type message struct {
	customer
	id string
}

// A ledger is the parent's own account of the traffic, to be compared with
// the caches and the database. It is used by many goroutines at once.
type ledger struct {
	organizations []organization            // the first is the default one; never changed
	roundTrip     map[endpoint]*series      // of good answers, as the client sees them; the map is never changed
	textLookup    map[tiered.Source]*series // of the two look-ups of a text, in the node; the map is never changed
	coldCall      series                    // of all look-ups of a call, in the node, if one asked the database
	warmCall      series                    // of the others
	updated       sightings                 // of changed names
	published     series                    // what a bare PUBLISH took
	created       sightings                 // of new leads

	mu       sync.Mutex          // guards the rest
	phones   int                 // handed out so far
	leads    map[customer]string // lead id; empty: wrote or phoned, not answered yet
	known    []knownLead         // with an answer, the oldest first
	messages map[message]bool    // true: answered
	numbers  map[string]string   // number as given → id of the organization that must answer
	requests map[endpoint]int    // sent, messages that are sent twice counted twice
	answers  int                 // that were judged
	updates  updateCount         // what the updater did
	twoLeads int                 // answers with another lead than before, or none
	wrongOrg int                 // answers with another organization than the number's
	errors   map[string]int      // by kind
}

// updateCount tells of the updater's work.
type updateCount struct {
	Updates   int `json:"updates"`
	NewLeads  int `json:"new_leads"`  // known absent elsewhere, then created on one node
	Sightings int `json:"sightings"`  // expected on other nodes, of both
	Missed    int `json:"missed"`     // of those: did not come in time
	NotCached int `json:"not_cached"` // watches that began without the lead in the local tier
	OldNames  int `json:"old_names"`  // phone calls that the writer's node answered without the new name
}

// sightings tell when other nodes saw changes, counted from the moment when
// the writer's call had returned. What was before that is zero.
type sightings struct {
	old     series // until the last read began that returned the old value
	stale   series // until the first read began that did not
	visible series // until that read had returned the new one
}

func newLedger(organizations []organization) *ledger {
	l := &ledger{
		organizations: organizations,
		roundTrip:     make(map[endpoint]*series),
		textLookup: map[tiered.Source]*series{
			tiered.SourceLocal: {}, tiered.SourceRedis: {}, tiered.SourceLoader: {},
		},
		leads:    make(map[customer]string),
		messages: make(map[message]bool),
		numbers:  make(map[string]string),
		requests: make(map[endpoint]int),
		errors:   make(map[string]int),
	}
	for _, e := range endpoints {
		l.roundTrip[e] = new(series)
	}
	return l
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

// popular returns a customer who has written or phoned before. Earlier
// customers are more popular: the one of rank r is picked about 1/r as often
// as the first.
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

// anyone returns a customer who has written or phoned before, all of them as
// often.
func (l *ledger) anyone() (knownLead, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) == 0 {
		return knownLead{}, false
	}
	return l.known[rand.N(len(l.known))], true
}

// organization returns the one with that id, which must be one of the ledger's.
func (l *ledger) organization(id string) organization {
	i := slices.IndexFunc(l.organizations, func(o organization) bool { return o.id == id })
	return l.organizations[i]
}

// leadOf returns the id of a customer's lead, or "" while it is not known.
func (l *ledger) leadOf(c customer) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads[c]
}

// timed notes that a request is sent, and if it got a good answer, the time it
// took.
func (l *ledger) timed(e endpoint, request func() error) error {
	l.mu.Lock()
	l.requests[e]++
	l.mu.Unlock()
	started := time.Now()
	err := request()
	if err == nil {
		l.roundTrip[e].add(time.Since(started))
	}
	return err
}

// appears notes that a customer is about to write or phone to a number.
func (l *ledger) appears(c customer, number string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.leads[c]; !ok && c.phone != "" {
		l.leads[c] = ""
	}
	l.numbers[number] = c.organization
}

// sends notes a message that is about to leave, perhaps again.
func (l *ledger) sends(m message, number string) {
	l.appears(m.customer, number)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.messages[m]; !again {
		l.messages[m] = false
	}
}

// answered notes that a message was answered.
func (l *ledger) answered(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[m] = true
}

// named judges the organization and the lead that an answer names, by their
// ids.
func (l *ledger) named(c customer, organization, lead string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	if organization != c.organization {
		l.wrongOrg++
	}
	before := l.leads[c]
	switch {
	case before == "" && lead != "" && c.phone != "":
		l.leads[c] = lead
		l.known = append(l.known, knownLead{c, lead})
	case before != lead || lead == "" && c.phone != "":
		l.twoLeads++
	}
}

// namedInWords judges an answer that is words: they name the organization.
// Which lead it was for, the database tells in the end.
func (l *ledger) namedInWords(o organization, words string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	if !strings.Contains(words, o.name) {
		l.wrongOrg++
	}
}

// absent notes that a node answered "no such lead", rightly.
func (l *ledger) absent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
}

// lookedUpText notes the look-ups of a text.
func (l *ledger) lookedUpText(u lookup) { l.textLookup[u.source].add(u.took) }

// lookedUpCall notes the look-ups of a call.
func (l *ledger) lookedUpCall(u lookup) {
	if u.source == tiered.SourceLoader {
		l.coldCall.add(u.took)
	} else {
		l.warmCall.add(u.took)
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
