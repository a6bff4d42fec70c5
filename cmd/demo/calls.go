package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A call is a phone call as the voice platform announces it, before its agent
// says a word.
type call struct {
	CallerID     string      `json:"caller_id"`
	CalledNumber string      `json:"called_number"`
	AgentID      string      `json:"agent_id"`
	CallSID      string      `json:"call_sid"`
	Initiation   *initiation `json:"conversation_initiation_client_data,omitempty"` // of outbound calls
}

// An initiation says who calls; by "agent", the agent calls the customer.
type initiation struct {
	InitiatedBy string `json:"initiated_by"`
}

// A briefing is what the agent is told: the part of it that matters here.
type briefing struct {
	OrganizationID string `json:"organization_id"`
	LeadID         string `json:"lead_id"`
	CustomerName   string `json:"customer_name"`
	Greeting       string `json:"dynamic_greeting"`
	Context        string `json:"conversation_context"`
	IsOutbound     bool   `json:"is_outbound"`
	CallSID        string `json:"call_sid"`
}

// newCall returns a call of a customer to an organization, or one time in
// three the other way round. Who withholds the number is not called back.
func newCall(sid string, c customer, o organization) call {
	k := call{CallerID: "anonymous", CalledNumber: o.dialled(), AgentID: "agent_demo", CallSID: sid}
	if c.phone == "" {
		return k
	}
	k.CallerID = written(c.phone)
	if rand.N(3) == 0 {
		k.CallerID, k.CalledNumber = k.CalledNumber, k.CallerID
		k.Initiation = &initiation{InitiatedBy: "agent"}
	}
	return k
}

// ours returns which of the two numbers is the organization's.
func (k call) ours() string {
	if k.Initiation != nil {
		return k.CallerID
	}
	return k.CalledNumber
}

// phone makes one call between a customer and an organization. It reports
// whether the agent was told what it needs.
func (t *traffic) phone(ctx context.Context, n *child, c customer, o organization) (briefing, bool) {
	k := newCall(fmt.Sprintf("CA%032x", t.ids.Add(1)), c, o)
	t.ledger.appears(c, k.ours())
	var b briefing
	var u lookup
	err := t.ledger.timed(webhookCall, func() (err error) {
		b, u, err = t.fleet.brief(ctx, n, k)
		return err
	})
	if err != nil {
		t.failed(ctx, string(webhookCall), err)
		return b, false
	}
	if c.phone != "" { // a call of a stranger asks for less
		t.ledger.lookedUpCall(u)
	}
	t.ledger.named(c, b.OrganizationID, b.LeadID)
	return b, true
}

// brief asks a node what an agent should know of a call.
func (f *fleet) brief(ctx context.Context, n *child, k call) (briefing, lookup, error) {
	data, err := json.Marshal(k)
	if err != nil {
		return briefing{}, lookup{}, err
	}
	answered, err := f.postCall(ctx, n, data)
	if err != nil {
		return briefing{}, lookup{}, err
	}
	var v struct {
		Type      string   `json:"type"`
		Variables briefing `json:"dynamic_variables"`
	}
	err = json.Unmarshal(answered.body, &v)
	b := v.Variables
	switch {
	case err != nil:
	case v.Type != "conversation_initiation_client_data":
		err = errors.New("answer of another type")
	case b.CallSID != k.CallSID || b.IsOutbound != (k.Initiation != nil):
		err = errors.New("answer to another call")
	case b.Greeting == "":
		err = errors.New("no greeting")
	}
	return b, answered.lookup, err
}

// outdated returns what does not have the customer's name, or "". The context
// may be empty.
func (b briefing) outdated(name string) string {
	switch {
	case b.CustomerName != name:
		return "customer_name"
	case !strings.Contains(b.Greeting, name):
		return "greeting"
	case b.Context != "" && !strings.Contains(b.Context, name):
		return "context"
	default:
		return ""
	}
}
