package leadsvc

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// FindOrCreateLead returns the lead of an organization that has this phone
// number, and makes it if there is none: with status new, sentiment neutral
// and the number as it was given. However many callers on however many nodes
// ask for the same lead at once, one is made and all get that one.
//
// A number that is none is [ErrInvalidPhone], an organization that does not
// exist [ErrUnknownOrganization]; neither is remembered. When ctx ends the
// caller is answered at once, and a lead that is being made is made all the
// same.
func (s *Service) FindOrCreateLead(ctx context.Context, phone, orgID string) (Lead, error) {
	number, err := ParsePhone(phone)
	if err != nil {
		return Lead{}, err
	}
	key := leadKey{number, orgID}
	lead, err := s.leads.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return s.createLead(ctx, phone, key)
	}
	return lead, err
}

// FindLeadByPhone returns the lead of an organization that has this phone
// number, or [ErrNotFound]. That there is none is remembered too, until the
// lead is made or the memory expires. A number that is none is
// [ErrInvalidPhone].
func (s *Service) FindLeadByPhone(ctx context.Context, phone, orgID string) (Lead, error) {
	number, err := ParsePhone(phone)
	if err != nil {
		return Lead{}, err
	}
	return s.leads.Get(ctx, leadKey{number, orgID})
}

// loadLead is the loader of the lead cache.
func (s *Service) loadLead(ctx context.Context, key leadKey) (Lead, error) {
	return s.db.LeadByPhone(ctx, key.org, key.phone.String())
}

// createLead makes the lead once for all who wait for it on this node; the
// database sees to it that the other nodes get the same one.
func (s *Service) createLead(ctx context.Context, phone string, key leadKey) (Lead, error) {
	done := s.creations.DoChan(key.phone.String()+":"+key.org, func() (any, error) {
		ctx, end, err := s.beginWrite(ctx)
		if err != nil {
			return Lead{}, err
		}
		defer end()
		lead, _, err := s.db.CreateLead(ctx, key.org, phone, key.phone.String())
		if err == nil || errors.Is(err, ErrUnknownOrganization) {
			// Every node forgets that there was no such lead: now there is
			// one, or the organization may be made next.
			s.invalidateLeads(ctx, key)
		}
		return lead, err
	})
	select {
	case out := <-done:
		return out.Val.(Lead), out.Err
	case <-ctx.Done():
		return Lead{}, ctx.Err()
	}
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
// and invalidated all the same.
func (s *Service) UpdateLead(ctx context.Context, leadID string, changes LeadChanges) (Lead, error) {
	if number, ok := changes.PhoneNumber.Value(); ok {
		if _, err := ParsePhone(number); err != nil {
			return Lead{}, err
		}
	}
	return write(ctx, s, func(ctx context.Context) (Lead, error) {
		before, after, err := s.db.UpdateLead(ctx, leadID, changes)
		if err != nil {
			return Lead{}, err
		}
		keys := storedKeys(before.PhoneNumberNormalized, before.OrganizationID)
		if after.PhoneNumberNormalized != before.PhoneNumberNormalized || after.OrganizationID != before.OrganizationID {
			keys = append(keys, storedKeys(after.PhoneNumberNormalized, after.OrganizationID)...)
		}
		s.invalidateLeads(ctx, keys...)
		return after, nil
	})
}

// storedKeys returns the key under which the cache would have a row: one, or
// none for a row of another program whose number is none.
func storedKeys(normalized, orgID string) []leadKey {
	number, err := ParsePhone(normalized)
	if err != nil {
		return nil
	}
	return []leadKey{{number, orgID}}
}

// InvalidateLeadCaches makes every node forget what it remembers of a lead. It
// is for those who changed the row by other means. [ErrPending] means that the
// other nodes do not know yet; a phone number that is none is
// [ErrInvalidPhone].
func (s *Service) InvalidateLeadCaches(ctx context.Context, leadID, phone, orgID string) error {
	number, err := ParsePhone(phone)
	if err != nil {
		return err
	}
	return s.leads.Invalidate(ctx, leadKey{number, orgID})
}

// invalidateLeads is Invalidate after a write. The row is committed and this
// node obeys, so that Redis did not acknowledge is no business of the caller.
func (s *Service) invalidateLeads(ctx context.Context, keys ...leadKey) {
	// The write may have used up its time; Invalidate has its own.
	err := s.leads.Invalidate(context.WithoutCancel(ctx), keys...)
	if err == nil {
		return
	}
	if hidden, ok := s.warnings.pass(time.Now(), warnEvery); ok {
		s.cfg.Logger.Warn("leadsvc: other nodes do not know yet that a lead has changed",
			slog.Any("err", err), slog.Int("not_logged", hidden))
	}
}
