package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"leadcache/cmd/demo/inbound"
)

// text sends one text on a line and returns the answer. It reports whether
// that was a good one, so that the conversation can go on.
func (t *traffic) text(ctx context.Context, l *line, from customer, to organization) (inbound.Answer, bool) {
	m := inbound.Text{
		ID:   fmt.Sprintf("m%d", t.ids.Add(1)),
		From: written(from.phone),
		To:   to.dialled(),
		Body: "Is the blue one still in stock?",
	}
	a, ok := t.deliverText(ctx, l, from, m)
	if ok && rand.N(50) == 0 {
		// Carriers deliver a message again when they are not sure.
		_, ok = t.deliverText(ctx, l, from, m)
	}
	return a, ok
}

func (t *traffic) deliverText(ctx context.Context, l *line, from customer, m inbound.Text) (a inbound.Answer, ok bool) {
	t.ledger.sends(message{from, m.ID}, m.To)
	err := t.ledger.timed(socketText, func() error {
		limited, cancel := context.WithTimeout(ctx, clientTimeout)
		defer cancel()
		var err error
		if a, err = l.exchange(limited, m); err == nil && a.Error != "" {
			err = errors.New(a.Error)
		}
		return err
	})
	source, known := parseSource(a.Source)
	if err == nil && !known {
		err = errors.New("no source")
	}
	if err != nil {
		t.failed(ctx, string(socketText), err)
		return a, false
	}
	t.ledger.lookedUpText(lookup{source, time.Duration(a.LookupNS)})
	t.ledger.answered(message{from, m.ID})
	t.ledger.named(from, a.OrganizationID, a.LeadID)
	return a, true
}

// textByWebhook sends one text as Twilio does, one time in twenty twice.
func (t *traffic) textByWebhook(ctx context.Context, n *child, from customer, to organization) bool {
	form := url.Values{
		"MessageSid": {fmt.Sprintf("SM%032x", t.ids.Add(1))},
		"AccountSid": {"AC00000000000000000000000000000000"},
		"From":       {written(from.phone)},
		"To":         {to.dialled()},
		"Body":       {"Do you repair gears & brakes?"},
		"NumMedia":   {"0"},
	}
	if rand.N(20) == 0 {
		return t.deliverSMSTwice(ctx, n, from, to, form)
	}
	return t.deliverSMS(ctx, n, from, to, form)
}

// deliverSMSTwice delivers a text to two nodes, or to one node twice, while
// the first may still be busy with it.
func (t *traffic) deliverSMSTwice(ctx context.Context, n *child, from customer, to organization, form url.Values) bool {
	again := make(chan bool, 1)
	go func() { again <- t.deliverSMS(ctx, t.anyNode(), from, to, form) }()
	ok := t.deliverSMS(ctx, n, from, to, form)
	return <-again && ok
}

func (t *traffic) deliverSMS(ctx context.Context, n *child, from customer, to organization, form url.Values) bool {
	m := message{from, form.Get("MessageSid")}
	t.ledger.sends(m, form.Get("To"))
	var answered webhookAnswer
	var reply struct {
		XMLName xml.Name `xml:"Response"`
		Message string   `xml:"Message"`
	}
	err := t.ledger.timed(webhookText, func() (err error) {
		answered, err = t.fleet.postSMS(ctx, n, form)
		return err
	})
	if err == nil {
		err = xml.Unmarshal(answered.body, &reply)
	}
	if err != nil {
		t.failed(ctx, string(webhookText), err)
		return false
	}
	t.ledger.lookedUpText(answered.lookup)
	t.ledger.answered(m)
	t.ledger.namedInWords(to, reply.Message)
	return true
}
