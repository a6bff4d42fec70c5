package inbound

import (
	"context"
	"errors"
	"fmt"

	"leadcache/leadsvc"
)

// findLead returns the organization that a number of ours belongs to, and its
// lead with the customer's number. An organization that was deleted while it
// was remembered is forgotten, and both are looked up once more. The
// organization holds even if the error is that of the lead, and both hold if
// isStale accepts the error.
func (h *Handler) findLead(ctx context.Context, customer, ours string) (leadsvc.Organization, leadsvc.Lead, error) {
	organization, lead, err := h.lookUp(ctx, customer, ours)
	if errors.Is(err, leadsvc.ErrUnknownOrganization) {
		h.forgot(h.opts.Service.InvalidateOrganizationCache(ctx, ours))
		return h.lookUp(ctx, customer, ours)
	}
	return organization, lead, err
}

func (h *Handler) lookUp(ctx context.Context, customer, ours string) (o leadsvc.Organization, l leadsvc.Lead, err error) {
	o, stale := h.opts.Service.OrganizationByPhone(ctx, ours)
	if stale != nil && !isStale(stale) {
		return o, l, fmt.Errorf("organization look-up: %w", stale)
	}
	find := h.opts.Service.FindOrCreateLead
	if stale != nil { // whose number it is now, nobody knows: no lead is made for it
		find = h.opts.Service.FindLeadByPhone
	}
	switch l, err = find(ctx, customer, o.ID); {
	case stale != nil && errors.Is(err, leadsvc.ErrNotFound):
		return o, l, fmt.Errorf("organization look-up: %w", errors.Unwrap(stale))
	case isStranger(err):
		return o, l, fmt.Errorf("lead look-up: %w", errors.Join(err, stale))
	case err != nil:
		return o, l, fmt.Errorf("lead look-up: %w", err)
	}
	return o, l, stale
}

// isStranger says whether err is about a number that no lead can have:
// anonymous, restricted, too long for the table. If isStale accepts it too, that
// is about the organization.
func isStranger(err error) bool {
	return errors.Is(err, leadsvc.ErrInvalidPhone) || errors.Is(err, leadsvc.ErrInvalid)
}

// isStale says whether err comes with a value that the database would not
// confirm. A call goes on with it; a text, which is written down, does not.
func isStale(err error) bool {
	_, ok := errors.AsType[*leadsvc.StaleError](err)
	return ok
}

// forgot logs why other nodes may remember what is gone; this one does not.
func (h *Handler) forgot(err error) {
	if err != nil {
		h.warnings.warn("inbound: other nodes may remember what was deleted", err)
	}
}
