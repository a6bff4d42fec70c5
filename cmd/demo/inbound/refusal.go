package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"leadcache/leadsvc"
)

// A refusal is an error whose text is for the client.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers err, also when the request's context has ended: a client may
// be there all the same, and silence would be taken for 200.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	status, text := h.explain(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, map[string]string{"error": text})
}

// explain returns what a client is told of err, and logs what it is not.
func (h *Handler) explain(err error) (status int, text string) {
	refused, isRefusal := errors.AsType[*refusal](err)
	switch {
	case errors.Is(err, errReusedID):
		h.warnings.warn("inbound: a text was not stored", err)
		return refused.status, refused.text
	case isRefusal:
		return refused.status, refused.text
	case errors.Is(err, leadsvc.ErrInvalid):
		return http.StatusBadRequest, "a field has a value that cannot be stored"
	case errors.Is(err, leadsvc.ErrNoDefaultOrganization):
		h.warnings.warn("inbound: no organization to answer for", err)
		return http.StatusInternalServerError, "no organization to answer for"
	case errors.Is(err, leadsvc.ErrOverloaded):
		h.warnings.warn("inbound: not answered, too much waits for the database", err)
	case errors.Is(err, leadsvc.ErrUnavailable):
		h.warnings.warn("inbound: not answered, the database is out", err)
	case !errors.Is(err, context.Canceled): // who is gone is no failure
		h.warnings.warn("inbound: not answered", err)
	}
	return http.StatusServiceUnavailable, "not available, try again"
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has left is told nothing; there is nothing else to do.
	_ = json.NewEncoder(w).Encode(v)
}
