package leadsvc

import (
	"errors"

	"leadcache/pg"
	"leadcache/tiered"
)

var (
	// ErrNotFound is returned when the database has no such row.
	ErrNotFound = tiered.ErrNotFound

	// ErrInvalidPhone is returned for a phone number that [ParsePhone] does
	// not take.
	ErrInvalidPhone = errors.New("leadsvc: invalid phone number")

	// ErrUnavailable is returned when the database cannot be reached, does not
	// answer in time, or says that it cannot work. What follows it in the text
	// says which. A change may have been made all the same.
	ErrUnavailable = pg.ErrUnavailable

	// ErrOverloaded is returned when too many wait for the database already:
	// nothing was changed.
	ErrOverloaded = tiered.ErrOverloaded

	// ErrUnknownOrganization is returned when a lead is to belong to an
	// organization that does not exist.
	ErrUnknownOrganization = pg.ErrUnknownOrganization

	// ErrNoDefaultOrganization is returned when a number belongs to no
	// organization and [Config.DefaultOrganizationID] does not exist either.
	ErrNoDefaultOrganization = errors.New("leadsvc: the default organization does not exist")

	// ErrConflict is returned when a lead is to have the phone number of
	// another lead of its organization.
	ErrConflict = pg.ErrConflict

	// ErrInvalid is returned for a value that a column does not take.
	ErrInvalid = pg.ErrInvalid

	// ErrPending is returned by the methods that only invalidate, when Redis
	// did not acknowledge it. This node obeys it already; the others will be
	// told when Redis is back.
	ErrPending = tiered.ErrPending

	// ErrJournalFull is returned instead of ErrPending when too many
	// invalidations wait already: the other nodes are never told.
	ErrJournalFull = tiered.ErrJournalFull

	// ErrClosed is returned by every method after [Service.Close], unless an
	// argument is invalid in itself.
	ErrClosed = tiered.ErrClosed
)

// A StaleError comes with a value whose TTL has ended, from the methods that
// read through a cache: there was no newer one. See [Config.ServeStale].
type StaleError = tiered.StaleError

func isStale(err error) bool {
	_, ok := errors.AsType[*StaleError](err)
	return ok
}
