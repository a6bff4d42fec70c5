package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"leadcache/cmd/demo/inbound"
)

// trafficTo returns traffic that talks to the node at url alone.
func trafficTo(t *testing.T, url string, s secrets, organizations []organization) *traffic {
	t.Helper()
	f := &fleet{
		nodes:   []*child{{index: 1, addr: strings.TrimPrefix(url, "http://")}},
		client:  &http.Client{Transport: &http.Transport{}},
		secrets: s,
	}
	t.Cleanup(f.client.CloseIdleConnections)
	return &traffic{fleet: f, ledger: newLedger(organizations), done: t.Context().Done()}
}

// TestTraffic lets one customer come through every door of one node.
func TestTraffic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tr := trafficTo(t, b.url, b.secrets, b.organizations)
	n := tr.fleet.nodes[0]
	from, to := tr.stranger()
	ctx := t.Context()

	l, err := tr.dial(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if !tr.readAbsent(ctx, n, from) {
		t.Error("readAbsent = false")
	}
	if !tr.textByWebhook(ctx, n, from, to) {
		t.Error("textByWebhook = false")
	}
	tr.readHistory(ctx, n, from) // while nobody has told the lead's id
	twice := url.Values{"MessageSid": {"SM2"}, "From": {from.phone}, "To": {to.number}, "Body": {"hello"}}
	if !tr.deliverSMSTwice(ctx, n, from, to, twice) {
		t.Error("deliverSMSTwice = false")
	}
	if a, ok := tr.text(ctx, l, from, to); !ok || a.OrganizationID != to.id {
		t.Errorf("text = %+v, %v, want an answer of %s", a, ok, to.id)
	}
	if brief, ok := tr.phone(ctx, n, from, to); !ok || brief.OrganizationID != to.id || brief.LeadID != tr.ledger.leadOf(from) {
		t.Errorf("phone = %+v, %v, want the lead and %s", brief, ok, to.id)
	}
	if brief, ok := tr.phone(ctx, n, customer{organization: to.id}, to); !ok || brief.LeadID != "" || brief.Greeting == "" {
		t.Errorf("phone of a stranger = %+v, %v, want a greeting and no lead", brief, ok)
	}
	tr.read(ctx, n, from)
	tr.readHistory(ctx, n, from)
	if lead := (knownLead{from, tr.ledger.leadOf(from)}); lead.id != "" {
		tr.rename(ctx, n, lead, "Customer 00001")
	}

	checks, err := runChecks(ctx, tr.fleet, tr.ledger, b.store)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	for _, e := range endpoints {
		if tr.ledger.roundTrip[e].summary().Count == 0 {
			t.Errorf("%s: no good answer", e)
		}
	}

	t.Run("what is not equal is found", func(t *testing.T) {
		for m := range tr.ledger.sentMessages() {
			tr.ledger.mu.Lock()
			delete(tr.ledger.messages, m)
			tr.ledger.messages[message{customer{"16045550100", to.id}, m.id}] = true
			tr.ledger.mu.Unlock()
		}
		stored, err := b.store.snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if c := checkMessages(tr.ledger.sentMessages(), stored.messageCounts); c.OK {
			t.Errorf("check = %+v for messages of someone else, want it failed", c)
		}
		for _, lead := range tr.ledger.knownLeads() {
			stored.leads[lead.id]["customer_name"] = "Someone Else"
			stored.messages[lead.id][0]["content"] = "something else"
		}
		_, differences, err := compareAll(ctx, tr.fleet, append(questions(tr.ledger, stored), calls(tr.ledger, stored)...))
		want := map[string]int{"lead.customer_name": 1, "conversations.content": 1, "customer_name": 1}
		if err != nil || fmt.Sprint(differences) != fmt.Sprint(want) {
			t.Errorf("differences = %v, %v, want %v", differences, err, want)
		}
	})
}

// TestSecrets knocks at a node with secrets of its own.
func TestSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tr := trafficTo(t, b.url, newSecrets(), b.organizations)
	n := tr.fleet.nodes[0]
	from, to := tr.stranger()
	if _, err := tr.dial(t.Context(), n); err == nil {
		t.Error("dial with another token = nil, want an error")
	}
	if brief, ok := tr.phone(t.Context(), n, from, to); ok {
		t.Errorf("phone with another secret = %+v, want an error", brief)
	}
	form := url.Values{"MessageSid": {"SM1"}, "From": {from.phone}, "To": {to.number}, "Body": {"hello"}}
	if tr.deliverSMS(t.Context(), n, from, to, form) {
		t.Error("text with another token is answered, want an error")
	}
	want := map[string]int{"voice webhook: status 401": 1, "SMS webhook: status 403": 1}
	if got := tr.ledger.tally().errors; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("errors = %v, want %v", got, want)
	}
	if status, _ := b.do(t, "POST", inbound.CallPath, "{}"); status != http.StatusUnsupportedMediaType {
		t.Errorf("POST = %d, want 415", status)
	}
	stored, err := b.store.snapshot(t.Context())
	if err != nil || len(stored.leads) != 0 || len(stored.messageCounts) != 0 {
		t.Errorf("the database has %d leads and %d messages, %v, want none", len(stored.leads), len(stored.messageCounts), err)
	}
}

// TestWrongAnswers asks a node that answers nonsense.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	of := customer{"16045550177", "org"}
	known := knownLead{of, "a"}
	o := organization{"org", "Wheels of Hope", "+16045550101"}
	for _, test := range []struct {
		name   string
		answer string
		ask    func(ctx context.Context, tr *traffic, n *child)
		errors string // the kind of the one error
		judged tally  // what the ledger must have noticed else
	}{
		{"lead of another organization", `{"id":"a","organization_id":"other"}`, func(ctx context.Context, tr *traffic, n *child) {
			tr.read(ctx, n, of)
		}, "", tally{wrongOrg: 1}},
		{"another lead", `{"id":"b","organization_id":"org"}`, func(ctx context.Context, tr *traffic, n *child) {
			tr.read(ctx, n, of)
		}, "", tally{twoLeads: 1}},
		{"message of another lead", `[{"lead_id":"a","organization_id":"org"},{"lead_id":"b","organization_id":"org"}]`, func(ctx context.Context, tr *traffic, n *child) {
			tr.readHistory(ctx, n, of)
		}, "", tally{twoLeads: 1}},
		{"a lead that should be absent", `{"id":"a","organization_id":"org"}`, func(ctx context.Context, tr *traffic, n *child) {
			tr.readAbsent(ctx, n, of)
		}, "read of a lead: status 200", tally{}},
		{"an update that changed nothing", `{"customer_name":"Bea","acked_at":1}`, func(ctx context.Context, tr *traffic, n *child) {
			tr.setName(ctx, n, "a", "Ann")
		}, "update of a lead: answered another name", tally{}},
		{"a text answered by another organization", `<Response><Message>Wheels of Trail</Message></Response>`, func(ctx context.Context, tr *traffic, n *child) {
			tr.textByWebhook(ctx, n, of, o)
		}, "", tally{wrongOrg: 1}},
		{"a text answered without TwiML", `<Answer/>`, func(ctx context.Context, tr *traffic, n *child) {
			tr.deliverSMS(ctx, n, of, o, url.Values{"To": {o.number}})
		}, "SMS webhook: expected element type <Response> but have <Answer>", tally{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Source", "local")
				w.Header().Set("Server-Timing", "lookup;dur=1")
				_, _ = w.Write([]byte(test.answer))
			}))
			defer server.Close()
			tr := trafficTo(t, server.URL, secrets{}, []organization{o})
			tr.ledger.named(of, "org", known.id)
			test.ask(t.Context(), tr, tr.fleet.nodes[0])
			got := tr.ledger.tally()
			if min(got.wrongOrg, 1) != test.judged.wrongOrg || got.twoLeads != test.judged.twoLeads {
				t.Errorf("tally = %+v, want %+v", got, test.judged)
			}
			if test.errors == "" && len(got.errors) > 0 || test.errors != "" && got.errors[test.errors] != 1 {
				t.Errorf("errors = %v, want %q", got.errors, test.errors)
			}
		})
	}
}

func TestWrongTexts(t *testing.T) {
	t.Parallel()
	of := customer{"16045550177", "org"}
	for _, test := range []struct {
		name   string
		answer inbound.Answer
		want   string
	}{
		{"an error", inbound.Answer{ID: "1", Error: "lead look-up"}, "text over WebSocket: lead look-up"},
		{"no source", inbound.Answer{ID: "1", LeadID: "a", OrganizationID: "org"}, "text over WebSocket: no source"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := lineTo(t, func(ctx context.Context, ws *websocket.Conn) error {
				if _, _, err := ws.Read(ctx); err != nil {
					return err
				}
				return wsjson.Write(ctx, ws, test.answer)
			})
			tr := &traffic{ledger: newLedger(nil)}
			m := inbound.Text{ID: "1", To: "+16045550101"}
			if a, ok := tr.deliverText(t.Context(), l, of, m); ok {
				t.Errorf("deliverText = %+v, true, want false", a)
			}
			if got := tr.ledger.tally(); got.errors[test.want] != 1 || tr.ledger.sentMessages()[message{of, "1"}] {
				t.Errorf("errors = %v, messages %v, want %q and no answer", got.errors, tr.ledger.sentMessages(), test.want)
			}
		})
	}
}

// TestCarry breaks the first line, before anyone has said a word.
func TestCarry(t *testing.T) {
	t.Parallel()
	dialled := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err == nil {
			dialled <- struct{}{}
			_ = ws.CloseNow()
		}
	}))
	defer server.Close()
	tr := trafficTo(t, server.URL, secrets{}, nil)
	done := make(chan struct{})
	tr.done = done
	carried := make(chan struct{})
	go func() {
		defer close(carried)
		tr.carry(t.Context(), 2)
	}()
	<-dialled
	<-dialled
	close(done)
	<-carried
}
