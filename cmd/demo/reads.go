package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
)

// read reads a lead that exists.
func (t *traffic) read(ctx context.Context, n *child, c customer) {
	var lead struct {
		ID             string `json:"id"`
		OrganizationID string `json:"organization_id"`
	}
	if t.get(ctx, leadRead, n, leadPath("/lead", c, nil), &lead, http.StatusOK) {
		t.ledger.named(c, lead.OrganizationID, lead.ID)
	}
}

// readAbsent reads a lead that does not exist and reports whether the node
// said so: then it remembers that.
func (t *traffic) readAbsent(ctx context.Context, n *child, c customer) bool {
	if !t.get(ctx, leadRead, n, leadPath("/lead", c, nil), new(struct{}), http.StatusNotFound) {
		return false
	}
	t.ledger.absent()
	return true
}

// readHistory reads the last messages of a lead that exists, or while nobody
// has told its id, the lead.
func (t *traffic) readHistory(ctx context.Context, n *child, c customer) {
	id := t.ledger.leadOf(c)
	if id == "" {
		t.read(ctx, n, c)
		return
	}
	var messages []struct {
		LeadID         string `json:"lead_id"`
		OrganizationID string `json:"organization_id"`
	}
	if !t.get(ctx, historyRead, n, historyPath(id), &messages, http.StatusOK) {
		return
	}
	organization, lead := c.organization, id
	for _, m := range messages {
		if m.OrganizationID != c.organization || m.LeadID != id {
			organization, lead = m.OrganizationID, m.LeadID
		}
	}
	t.ledger.named(c, organization, lead)
}

// get sends one GET and reports whether it was answered with that status.
func (t *traffic) get(ctx context.Context, e endpoint, n *child, path string, v any, want int) bool {
	err := t.ledger.timed(e, func() error {
		status, err := t.fleet.getJSON(ctx, n, path, v)
		if err == nil && status != want {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	if err != nil {
		t.failed(ctx, string(e), err)
	}
	return err == nil
}

func leadPath(path string, c customer, more url.Values) string {
	q := url.Values{"from": {c.phone}, "org": {c.organization}}
	maps.Copy(q, more)
	return path + "?" + q.Encode()
}

func historyPath(lead string) string {
	return "/conversations?" + url.Values{"lead": {lead}, "limit": {fmt.Sprint(messagesRead)}}.Encode()
}
