package leadsvc

import (
	"context"
	"errors"
	"fmt"
)

// OrganizationByPhone returns the organization that is called by this number:
// the one that has exactly this number, else the one whose number has the same
// digits when both are normalized, else the default one. The answer is
// remembered under the number as it is given, whatever it was.
//
// A number without digits is nobody's but the default organization's. One of
// fewer than five, which is no short code yet, must match exactly: "agent5"
// and "ext. 5" have the same digits and are different.
//
// One of more than 255 bytes is taken for an empty one, so that nobody fills
// the cache with what is no number.
//
// It is [ErrNoDefaultOrganization] if the default one does not exist. That,
// and a failure of the database, is not remembered.
func (s *Service) OrganizationByPhone(ctx context.Context, number string) (org Organization, err error) {
	found, err := s.organizations.Get(ctx, organizationKey(number))
	if stale, ok := errors.AsType[*StaleError](err); ok && errors.Is(err, ErrNoDefaultOrganization) {
		return Organization{}, stale.Err // the database did answer
	}
	if found != nil { // also beside a StaleError
		org = *found
	}
	return org, err
}

// organizationKey returns what a number is remembered under.
func organizationKey(number string) string {
	if len(number) > maxPhoneText {
		return ""
	}
	return number
}

// minTelling is how many digits tell a number whatever stands between them:
// those of the shortest short code.
const minTelling = 5

// loadOrganization is the loader of the organization cache. Only "no such row"
// leads from one step to the next; it never leads out, as the cache would take
// it for an answer.
func (s *Service) loadOrganization(ctx context.Context, number string) (*Organization, error) {
	org, err := s.db.OrganizationByPhone(ctx, number)
	if !errors.Is(err, ErrNotFound) {
		return pointer(org, err)
	}
	if phone, err := ParsePhone(number); err == nil && phone.len() >= minTelling {
		org, err := s.db.OrganizationByNormalizedPhone(ctx, phone.String())
		if !errors.Is(err, ErrNotFound) {
			return pointer(org, err)
		}
	}
	org, err = s.db.Organization(ctx, s.cfg.DefaultOrganizationID)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w (Config.DefaultOrganizationID is %q)", ErrNoDefaultOrganization, s.cfg.DefaultOrganizationID)
	}
	return pointer(org, err)
}

// InvalidateOrganizationCache makes every node forget whose number this is. An
// organization that was changed or made may be remembered under several
// spellings of its number; each is forgotten by itself. [ErrPending] means
// that the other nodes do not know yet.
func (s *Service) InvalidateOrganizationCache(ctx context.Context, number string) error {
	return s.organizations.Invalidate(ctx, organizationKey(number))
}
