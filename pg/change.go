package pg

import (
	"fmt"
	"slices"
	"time"
)

// Change says what becomes of one column: the zero value leaves it alone,
// [Set] gives it a value, [Null] makes it null.
type Change[T any] struct {
	value T
	kind  changeKind
}

type changeKind uint8

const (
	keep changeKind = iota
	set
	null
)

// Set returns the change to v.
func Set[T any](v T) Change[T] { return Change[T]{value: v, kind: set} }

// Null returns the change to null.
func Null[T any]() Change[T] { return Change[T]{kind: null} }

// Value returns the value that c sets, and whether it sets one.
func (c Change[T]) Value() (v T, ok bool) { return c.value, c.kind == set }

// LeadChanges name the columns of a lead that change. The zero value changes
// none but updated_at. Columns marked required cannot become null.
type LeadChanges struct {
	OrganizationID    Change[string] // required
	PhoneNumber       Change[string] // required; phone_number_normalized follows it
	CustomerName      Change[string]
	Email             Change[string]
	Status            Change[Status]    // required
	Sentiment         Change[Sentiment] // required
	BikeInterest      Change[JSON]      // replaced as a whole
	QualificationData Change[JSON]      // replaced as a whole
	LastContactAt     Change[time.Time]
}

// validate finds what the database would refuse only with a message that
// cannot be told apart from others, or, in an older schema, not at all.
func (c LeadChanges) validate() error {
	switch null {
	case c.OrganizationID.kind:
		return fmt.Errorf("organization_id: null: %w", ErrInvalid)
	case c.PhoneNumber.kind:
		return fmt.Errorf("phone_number: null: %w", ErrInvalid)
	case c.Status.kind:
		return fmt.Errorf("status: null: %w", ErrInvalid)
	case c.Sentiment.kind:
		return fmt.Errorf("sentiment: null: %w", ErrInvalid)
	}
	if s, ok := c.Status.Value(); ok && !slices.Contains(statuses, s) {
		return fmt.Errorf("status: %w", ErrInvalid)
	}
	if s, ok := c.Sentiment.Value(); ok && !slices.Contains(sentiments, s) {
		return fmt.Errorf("sentiment: %w", ErrInvalid)
	}
	if !c.BikeInterest.value.valid() {
		return fmt.Errorf("bike_interest: not JSON: %w", ErrInvalid)
	}
	if !c.QualificationData.value.valid() {
		return fmt.Errorf("qualification_data: not JSON: %w", ErrInvalid)
	}
	if !hasJSON(c.LastContactAt.value) {
		return fmt.Errorf("last_contact_at: beyond the year 9999: %w", ErrInvalid)
	}
	return nil
}

// args returns two parameters for each column: whether it changes, and to
// what.
func (c LeadChanges) args() []any {
	return slices.Concat(
		pair(c.OrganizationID, c.OrganizationID.value),
		pair(c.PhoneNumber, c.PhoneNumber.value),
		pair(c.CustomerName, c.CustomerName.value),
		pair(c.Email, c.Email.value),
		pair(c.Status, string(c.Status.value)),
		pair(c.Sentiment, string(c.Sentiment.value)),
		pair(c.BikeInterest, c.BikeInterest.value),
		pair(c.QualificationData, c.QualificationData.value),
		pair(c.LastContactAt, c.LastContactAt.value),
	)
}

func pair[T any](c Change[T], value any) []any {
	if c.kind != set {
		value = nil
	}
	return []any{c.kind != keep, value}
}
