package leadsvc

import (
	"context"
	"errors"
	"slices"

	"leadcache/pg"
)

// FindOrCreateLead returns the lead of an organization that has this phone
// number, and makes it if there is none: with status new, sentiment neutral
// and the number as it was given. However many callers on however many nodes
// ask for the same lead at once, one is made and all get that one.
//
// A number that is none is [ErrInvalidPhone], an organization that does not
// exist [ErrUnknownOrganization]; neither is remembered. A number as it was
// given that is too long for an old column is [ErrInvalid]. When ctx ends the
// caller is answered at once, and a lead that is being made is made all the
// same unless the database keeps it waiting.
func (s *Service) FindOrCreateLead(ctx context.Context, phone, orgID string) (lead Lead, err error) {
	number, err := ParsePhone(phone)
	if err != nil {
		return Lead{}, err
	}
	if len(orgID) > maxID {
		return Lead{}, ErrUnknownOrganization
	}
	key := leadKey{number, orgID}
	found, err := s.lead(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return s.createLead(ctx, phone, key)
	}
	if found != nil { // also beside a StaleError
		lead = *found
	}
	return lead, err
}

// FindLeadByPhone returns the lead of an organization that has this phone
// number, or [ErrNotFound]. That there is none is remembered too, until the
// lead is made or the memory expires. A number that is none is
// [ErrInvalidPhone].
func (s *Service) FindLeadByPhone(ctx context.Context, phone, orgID string) (lead Lead, err error) {
	number, err := ParsePhone(phone)
	if err != nil {
		return Lead{}, err
	}
	if len(orgID) > maxID {
		return Lead{}, ErrNotFound
	}
	found, err := s.lead(ctx, leadKey{number, orgID})
	if found != nil { // also beside a StaleError
		lead = *found
	}
	return lead, err
}

// lead looks a lead up in the cache, where it stays: it must not be modified.
func (s *Service) lead(ctx context.Context, key leadKey) (*Lead, error) {
	return ours(ctx, s, s.leads, key, s.loadLead, key.has)
}

// Lead returns the lead with that id, or [ErrNotFound]. It always asks the
// database: what is remembered of leads is found by phone number.
func (s *Service) Lead(ctx context.Context, leadID string) (Lead, error) {
	if s.writer.closed() {
		return Lead{}, ErrClosed
	}
	return s.db.Lead(ctx, leadID)
}

// loadLead is the loader of the lead cache.
func (s *Service) loadLead(ctx context.Context, key leadKey) (*Lead, error) {
	return pointer(s.db.LeadByPhone(ctx, key.org, key.phone.String()))
}

// UpdateLead changes a lead and returns the new row. Before it returns, all
// that is remembered of the lead is invalidated on every node, under the phone
// number and organization it had and under those it has now.
//
// It returns [ErrNotFound] if there is no such lead, [ErrInvalidPhone] for a
// new phone number that is none, [ErrConflict] for one that another lead of
// the organization has, [ErrUnknownOrganization] if the new organization does
// not exist, and [ErrInvalid] for any other value that is not allowed. When
// ctx ends the caller is answered at once, and a change that has begun is made
// and invalidated all the same unless the database keeps it waiting.
func (s *Service) UpdateLead(ctx context.Context, leadID string, changes LeadChanges) (Lead, error) {
	if number, ok := changes.PhoneNumber.Value(); ok {
		if _, err := ParsePhone(number); err != nil {
			return Lead{}, err
		}
	}
	return start(ctx, s.writer, leadID, func(ctx context.Context) (Lead, error) {
		return s.updateLead(ctx, leadID, changes)
	}).wait(ctx)
}

func (s *Service) updateLead(ctx context.Context, leadID string, changes LeadChanges) (Lead, error) {
	// Were the answer to the change lost, nothing would tell which keys to
	// invalidate, and the database may not answer again soon.
	known, err := s.db.LeadRef(ctx, leadID)
	if err != nil {
		return Lead{}, err
	}
	before, after, err := s.db.UpdateLead(ctx, leadID, changes)
	switch {
	case err == nil:
		s.invalidateLead(ctx, leadID, before, refOf(after))
	case !refused(err):
		s.invalidateLead(ctx, leadID, known, target(known, changes))
	}
	return after, err
}

// invalidateLead makes every node forget what it remembers of a lead, and of
// whoever has these phone numbers and organizations.
func (s *Service) invalidateLead(ctx context.Context, leadID string, refs ...pg.LeadRef) {
	s.invalidate(ctx, append(s.related(leadID), s.leads.Target(storedKeys(refs...)...))...)
}

// refused says whether err is an answer of the database, or says that it was
// not asked, and so the lead as it was.
func refused(err error) bool {
	for _, answer := range []error{ErrNotFound, ErrInvalid, ErrConflict, ErrUnknownOrganization, pg.ErrNotSent} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

func refOf(l Lead) pg.LeadRef {
	return pg.LeadRef{OrganizationID: l.OrganizationID, PhoneNumberNormalized: l.PhoneNumberNormalized}
}

// target returns what changes make of ref. The phone number is not normalized,
// which makes no difference to [storedKeys].
func target(ref pg.LeadRef, changes LeadChanges) pg.LeadRef {
	if number, ok := changes.PhoneNumber.Value(); ok {
		ref.PhoneNumberNormalized = number
	}
	if orgID, ok := changes.OrganizationID.Value(); ok {
		ref.OrganizationID = orgID
	}
	return ref
}

// storedKeys returns the keys under which the cache would have these rows. It
// has no row of another program whose number or organization is none.
func storedKeys(refs ...pg.LeadRef) (keys []leadKey) {
	for _, ref := range refs {
		number, err := ParsePhone(ref.PhoneNumberNormalized)
		key := leadKey{number, ref.OrganizationID}
		if err == nil && key.org != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// InvalidateLeadCaches makes every node forget what it remembers of a lead: the
// lead itself, its context, conversations, summaries, session and greeting. It
// is for those who changed any of that by other means. [ErrPending] means that
// the other nodes do not know yet; a phone number that is none is
// [ErrInvalidPhone], and then nothing is forgotten.
func (s *Service) InvalidateLeadCaches(ctx context.Context, leadID, phone, orgID string) error {
	number, err := ParsePhone(phone)
	if err != nil {
		return err
	}
	if s.writer.closed() {
		return ErrClosed
	}
	return s.redis.Invalidate(ctx, append(s.related(leadID), s.leads.Target(leadKey{number, orgID}))...)
}
