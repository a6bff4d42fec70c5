package inbound

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"leadcache/leadsvc"
)

// A call is what ElevenLabs says of a phone call that begins. What it says
// besides is ignored.
type call struct {
	CallerID       string `json:"caller_id"`
	CalledNumber   string `json:"called_number"`
	AgentID        string `json:"agent_id"`
	CallSID        string `json:"call_sid"`
	ConversationID string `json:"conversation_id"`
	Initiation     struct {
		InitiatedBy string `json:"initiated_by"`
	} `json:"conversation_initiation_client_data"`
}

// outbound says whether the agent calls the customer.
func (c call) outbound() bool { return c.Initiation.InitiatedBy == "agent" }

// numbers returns who calls and who is called, sorted by whose number it is.
func (c call) numbers() (customer, ours string) {
	if c.outbound() {
		return c.CalledNumber, c.CallerID
	}
	return c.CallerID, c.CalledNumber
}

// parseCall fails for what is no call at all. A customer's number that is
// missing is none; without ours nobody could say who answers.
func parseCall(body []byte) (call, error) {
	var c call
	if err := json.Unmarshal(body, &c); err != nil {
		return call{}, badRequest("body is not the JSON of a call") // err may quote it
	}
	if _, ours := c.numbers(); ours != "" {
		return c, nil
	}
	if c.outbound() {
		return call{}, badRequest("missing field %q", "caller_id")
	}
	return call{}, badRequest("missing field %q", "called_number")
}

// serveCall answers what the voice agent should know when a call begins.
func (h *Handler) serveCall(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r, "application/json")
	if err != nil {
		return err
	}
	if err := h.admitCall(r, body); err != nil {
		h.warnings.warn("inbound: a call was refused", err)
		return err
	}
	c, err := parseCall(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.opts.RequestTimeout)
	defer cancel()
	traced, l := startLookup(ctx)
	v, err := h.variables(traced, c)
	l.done()
	if err != nil {
		return err
	}
	l.describe(w.Header())
	writeJSON(w, http.StatusOK, initiation{Type: "conversation_initiation_client_data", Variables: v})
	return nil
}

// admitCall makes the checks whose secrets are set.
func (h *Handler) admitCall(r *http.Request, body []byte) error {
	if secret := h.opts.ElevenLabsSecret; secret != "" {
		if err := verifyElevenLabs(secret, r.Header.Get("ElevenLabs-Signature"), body, time.Now()); err != nil {
			return err
		}
	}
	if token := h.opts.ElevenLabsToken; token != "" && !hasBearer(r, token) {
		return unauthorized("token is missing or wrong")
	}
	return nil
}

// variables looks up all that a call needs.
func (h *Handler) variables(ctx context.Context, c call) (variables, error) {
	customer, ours := c.numbers()
	customer = numberOf(customer)
	organization, lead, err := h.findLead(ctx, customer, numberOf(ours))
	if isStranger(err) {
		v := variablesOf(c, organization)
		v.DataIsStale = isStale(err)
		return v, nil
	}
	if err != nil && !isStale(err) {
		return variables{}, err
	}
	v := variablesOf(c, organization)
	v.DataIsStale = err != nil
	v.setLead(customer, lead)
	h.personalize(ctx, &v)
	return v, nil
}

// personalize adds what a call can do without, in ContextTimeout. How the
// service would greet is for those who called us.
func (h *Handler) personalize(ctx context.Context, v *variables) {
	ctx, cancel := context.WithTimeout(ctx, h.opts.ContextTimeout)
	defer cancel()
	var (
		lookups              sync.WaitGroup
		oldContext, oldWords bool
	)
	lookups.Go(func() { v.ConversationContext, oldContext = h.conversationContext(ctx, v.LeadID) })
	if !v.IsOutbound {
		lookups.Go(func() {
			var greeting string
			greeting, oldWords = h.greeting(ctx, v.LeadID)
			v.DynamicGreeting = cmp.Or(greeting, v.DynamicGreeting)
		})
	}
	lookups.Wait()
	v.DataIsStale = v.DataIsStale || oldContext || oldWords
}

func (h *Handler) conversationContext(ctx context.Context, leadID string) (text string, stale bool) {
	known, err := try(func() (leadsvc.ConversationContext, error) {
		return h.opts.Service.ConversationContext(ctx, leadID)
	})
	stale = isStale(err)
	if err != nil && !stale {
		h.warnings.warn("inbound: a call begins without context", err)
	}
	return known.Text, stale
}

func (h *Handler) greeting(ctx context.Context, leadID string) (words string, stale bool) {
	greeting, err := try(func() (string, error) { return h.opts.Service.Greeting(ctx, leadID) })
	stale = isStale(err)
	if err != nil && !stale {
		h.warnings.warn("inbound: a call begins with the general greeting", err)
	}
	return plain(greeting), stale
}
