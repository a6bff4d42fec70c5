package main

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// converse holds one conversation of someone with an organization, one time in
// four by phone, else by texts on the line or as webhooks of their carrier's.
// It ends early when something fails.
func (t *traffic) converse(ctx context.Context, l *line) {
	if rand.N(4) == 0 {
		t.talk(ctx)
	} else {
		t.write(ctx, l)
	}
}

// talk lets someone phone several times, to whichever node, as people do who
// are put off. Every other time a colleague reads what was written so far.
func (t *traffic) talk(ctx context.Context) {
	from, to := t.correspondents(t.ledger.anyone)
	if rand.N(20) == 0 {
		from.phone = "" // withheld
	}
	for range 2 + rand.N(5) {
		if _, ok := t.phone(ctx, t.anyNode(), from, to); !ok || !t.pause(think()) {
			return
		}
		if from.phone != "" && rand.N(2) == 0 {
			t.readHistory(ctx, t.anyNode(), from)
		}
		if !t.pause(think()) {
			return
		}
	}
}

// write lets someone write several texts. Now and then the lead is read, and
// the last messages.
func (t *traffic) write(ctx context.Context, l *line) {
	from, to := t.correspondents(t.ledger.popular)
	send := func() bool { _, ok := t.text(ctx, l, from, to); return ok }
	if rand.N(4) == 0 {
		send = func() bool { return t.textByWebhook(ctx, t.anyNode(), from, to) }
	}
	for range 2 + rand.N(7) {
		if !send() || !t.pause(think()) {
			return
		}
		switch rand.N(10) {
		case 0, 1, 2:
			t.read(ctx, t.anyNode(), from)
		case 3:
			t.readHistory(ctx, t.anyNode(), from)
		}
	}
}

// correspondents picks who turns to which number: one time in four someone
// new, else whom known returns.
func (t *traffic) correspondents(known func() (knownLead, bool)) (customer, organization) {
	if rand.N(4) > 0 {
		if k, ok := known(); ok {
			return k.customer, t.ledger.organization(k.organization)
		}
	}
	return t.stranger()
}

// stranger returns someone who has never written or phoned.
func (t *traffic) stranger() (customer, organization) {
	o := t.ledger.organizations[rand.N(len(t.ledger.organizations))]
	return customer{t.ledger.newPhone(), o.id}, o
}

// written returns a normalized phone in one of the ways in which carriers and
// people write it. All of them mean the same lead.
func written(phone string) string {
	area, exchange, line := phone[1:4], phone[4:7], phone[7:]
	switch rand.N(4) {
	case 0:
		return "+" + phone
	case 1:
		return phone
	case 2:
		return fmt.Sprintf("(%s) %s-%s", area, exchange, line)
	default:
		return fmt.Sprintf("%s.%s.%s", area, exchange, line)
	}
}
