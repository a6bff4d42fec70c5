package main

import (
	"errors"
	"testing"

	"leadcache/tiered"
)

func TestLedger(t *testing.T) {
	c := customer{"16045550101", "org"}
	withheld := customer{organization: "org"}
	m := message{c, "m1"}

	t.Run("another lead for the same customer is noticed", func(t *testing.T) {
		l := newLedger(nil)
		l.sends(m, "+16045550100")
		l.named(c, "org", "a")
		l.named(c, "org", "a")
		if got := l.tally(); got.twoLeads != 0 || got.wrongOrg != 0 || got.answers != 2 {
			t.Errorf("tally = %+v, want two good answers", got)
		}
		l.named(c, "org", "b")
		l.named(c, "other", "c")
		l.named(customer{"16045550102", "org"}, "org", "")
		if got := l.tally(); got.twoLeads != 3 || got.wrongOrg != 1 {
			t.Errorf("twoLeads = %d, wrongOrg = %d, want 3 and 1", got.twoLeads, got.wrongOrg)
		}
	})

	t.Run("who withholds the number is nobody's lead", func(t *testing.T) {
		l := newLedger(nil)
		l.appears(withheld, "+16045550100")
		l.named(withheld, "org", "")
		if got := l.tally(); got.twoLeads != 0 || len(l.customers()) != 0 || len(l.knownLeads()) != 0 {
			t.Errorf("tally = %+v with customers %v, want nobody", got, l.customers())
		}
		if l.seenNumbers()["+16045550100"] != "org" {
			t.Errorf("numbers = %v, want the one that was called", l.seenNumbers())
		}
		l.named(withheld, "org", "a")
		if got := l.tally(); got.twoLeads != 1 || len(l.knownLeads()) != 0 {
			t.Errorf("twoLeads = %d, want 1", got.twoLeads)
		}
	})

	t.Run("who only phoned is a customer", func(t *testing.T) {
		l := newLedger(nil)
		l.appears(c, "+16045550100")
		if !l.customers()[c] || len(l.sentMessages()) != 0 {
			t.Errorf("customers = %v, messages = %v, want one customer and no message", l.customers(), l.sentMessages())
		}
		if id := l.leadOf(c); id != "" {
			t.Errorf("leadOf = %q before any answer", id)
		}
		l.named(c, "org", "a")
		if id := l.leadOf(c); id != "a" {
			t.Errorf("leadOf = %q, want a", id)
		}
	})

	t.Run("words must name the organization", func(t *testing.T) {
		l := newLedger(nil)
		l.namedInWords(organization{name: "Wheels of Hope"}, "Thanks for your message to Wheels of Hope!")
		l.namedInWords(organization{name: "Wheels of Hope"}, "Thanks for your message to Wheels of Trail!")
		if got := l.tally(); got.wrongOrg != 1 || got.answers != 2 {
			t.Errorf("tally = %+v, want one of two wrong", got)
		}
	})

	t.Run("a message delivered twice is one message", func(t *testing.T) {
		l := newLedger(nil)
		l.sends(m, "+16045550100")
		l.answered(m)
		l.sends(m, "+16045550100")
		if sent := l.sentMessages(); len(sent) != 1 || !sent[m] {
			t.Errorf("sent = %v, want one answered message", sent)
		}
	})

	t.Run("only good answers have a time", func(t *testing.T) {
		l := newLedger(nil)
		failure := errors.New("failure")
		if err := l.timed(leadRead, func() error { return nil }); err != nil {
			t.Errorf("timed = %v, want nil", err)
		}
		if err := l.timed(leadRead, func() error { return failure }); !errors.Is(err, failure) {
			t.Errorf("timed = %v, want the failure", err)
		}
		if n := l.tally().requests[leadRead]; n != 2 {
			t.Errorf("requests = %d, want 2", n)
		}
		if n := l.roundTrip[leadRead].summary().Count; n != 1 {
			t.Errorf("round trips = %d, want 1", n)
		}
	})

	t.Run("a call is cold if it went to the database", func(t *testing.T) {
		l := newLedger(nil)
		l.lookedUpCall(lookup{tiered.SourceLoader, 3})
		l.lookedUpCall(lookup{tiered.SourceRedis, 2})
		l.lookedUpCall(lookup{tiered.SourceLocal, 1})
		cold, warm := l.coldCall.summary(), l.warmCall.summary()
		if cold != (summary{1, 3, 3, 3}) || warm != (summary{2, 1, 2, 2}) {
			t.Errorf("cold = %+v, warm = %+v, want 3 alone, and the others", cold, warm)
		}
	})
}
