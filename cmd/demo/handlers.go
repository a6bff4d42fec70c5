package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

// leadKeyspace is the name of the lead cache in leadsvc's statistics.
const leadKeyspace = "lead"

const (
	maxMessage  = 32 << 10         // bytes of a body
	requestTime = 10 * time.Second // for look-ups and writes of one request
)

// getLead answers the lead of ?from= and ?org= through the cache.
func (n *node) getLead(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	from, org, err := leadQuery(r)
	if err != nil {
		n.respond(w, nil, err)
		return
	}
	traced, trace := tiered.WithTrace(ctx)
	lead, err := n.service.FindLeadByPhone(traced, from, org)
	w.Header().Set("Cache-Source", trace.Source().String())
	n.respond(w, lead, err)
}

// getOrganization answers the organization of ?number= through the cache.
func (n *node) getOrganization(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	number := r.URL.Query().Get("number")
	if number == "" {
		n.respond(w, nil, badRequest("want ?number="))
		return
	}
	traced, trace := tiered.WithTrace(ctx)
	organization, err := n.service.OrganizationByPhone(traced, number)
	w.Header().Set("Cache-Source", trace.Source().String())
	n.respond(w, organization, err)
}

// getConversations answers the last ?limit= messages of ?lead=, the newest
// last.
func (n *node) getConversations(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || q.Get("lead") == "" {
		n.respond(w, nil, badRequest("want ?lead= and a number in ?limit="))
		return
	}
	traced, trace := tiered.WithTrace(ctx)
	messages, err := n.service.Conversations(traced, q.Get("lead"), limit)
	w.Header().Set("Cache-Source", trace.Source().String())
	n.respond(w, messages, err)
}

// patchLead changes the fields of a lead that the JSON body names, null to
// empty them, and answers the new lead with acked_at.
func (n *node) patchLead(w http.ResponseWriter, r *http.Request) {
	changes, err := readChanges(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		n.respond(w, nil, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	lead, err := n.service.UpdateLead(ctx, r.PathValue("id"), changes)
	acked := time.Now().UnixNano()
	n.respond(w, struct {
		leadsvc.Lead
		AckedAt int64 `json:"acked_at"`
	}{lead, acked}, err)
}

// getStats answers nodeStats.
func (n *node) getStats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, nodeStats{
		Keyspaces: n.service.Stats(),
		Watch:     n.watched.reads(),
		Queries:   n.db.Queries(),
		Redis:     stateOf(n.redis.Status()),
	})
}

func leadQuery(r *http.Request) (from, org string, err error) {
	q := r.URL.Query()
	from, org = q.Get("from"), q.Get("org")
	if from == "" || org == "" {
		return "", "", badRequest("want ?from= and ?org=")
	}
	return from, org, nil
}

// badRequest is an error of the client's, and its text is for the client.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// respond answers v, or what err means to a client: the log has its text.
func (n *node) respond(w http.ResponseWriter, v any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, v)
		return
	}
	status, text := n.explain(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, map[string]string{"error": text})
}

func (n *node) explain(err error) (status int, text string) {
	bad, isBad := errors.AsType[badRequest](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isBad:
		return http.StatusBadRequest, bad.Error()
	case tooLarge:
		return http.StatusRequestEntityTooLarge, "body is too large"
	case errors.Is(err, leadsvc.ErrNotFound):
		return http.StatusNotFound, "not found"
	case errors.Is(err, leadsvc.ErrInvalidPhone):
		return http.StatusBadRequest, "not a phone number"
	case errors.Is(err, leadsvc.ErrInvalid), errors.Is(err, leadsvc.ErrUnknownOrganization):
		return http.StatusUnprocessableEntity, "a field has a value that is not allowed"
	case errors.Is(err, leadsvc.ErrConflict):
		return http.StatusConflict, "another lead has that phone number"
	case errors.Is(err, leadsvc.ErrUnavailable), errors.Is(err, leadsvc.ErrOverloaded), errors.Is(err, leadsvc.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		n.warn("request not answered, the database does not answer in time", "err", err)
		return http.StatusServiceUnavailable, "not available, try again"
	default:
		n.warn("request not answered", "err", err)
		return http.StatusInternalServerError, "something failed here"
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has left is told nothing; there is nothing else to do.
	_ = json.NewEncoder(w).Encode(v)
}
