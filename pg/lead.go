package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/tiered"
)

// Status says how far a lead has come.
type Status string

// The statuses of a lead. A new lead is StatusNew.
const (
	StatusNew       Status = "new"
	StatusContacted Status = "contacted"
	StatusQualified Status = "qualified"
	StatusHot       Status = "hot"
	StatusCustomer  Status = "customer"
	StatusClosed    Status = "closed"
)

var statuses = []Status{StatusNew, StatusContacted, StatusQualified, StatusHot, StatusCustomer, StatusClosed}

// Sentiment says how a lead feels.
type Sentiment string

// The sentiments of a lead. A new lead is SentimentNeutral.
const (
	SentimentPositive Sentiment = "positive"
	SentimentNeutral  Sentiment = "neutral"
	SentimentNegative Sentiment = "negative"
)

var sentiments = []Sentiment{SentimentPositive, SentimentNeutral, SentimentNegative}

// Lead is a row of leads: a person who calls or writes to an organization.
type Lead struct {
	ID                    string             `json:"id"`
	OrganizationID        string             `json:"organization_id"`
	PhoneNumber           string             `json:"phone_number"` // as it was given
	PhoneNumberNormalized string             `json:"phone_number_normalized"`
	CustomerName          pgtype.Text        `json:"customer_name"`
	Email                 pgtype.Text        `json:"email"`
	Status                Status             `json:"status"`
	Sentiment             Sentiment          `json:"sentiment"`
	BikeInterest          JSON               `json:"bike_interest"`
	QualificationData     JSON               `json:"qualification_data"`
	CreatedAt             time.Time          `json:"created_at"`
	UpdatedAt             time.Time          `json:"updated_at"`
	LastContactAt         pgtype.Timestamptz `json:"last_contact_at"`
}

const leadColumns = `l.id::text, coalesce(l.organization_id::text, ''), coalesce(l.phone_number::text, ''),
	coalesce(l.phone_number_normalized::text, ''), l.customer_name::text, l.email::text,
	coalesce(l.status::text, 'new'), coalesce(l.sentiment::text, 'neutral'),
	l.bike_interest::text, l.qualification_data::text,
	l.created_at::timestamptz, l.updated_at::timestamptz, l.last_contact_at::timestamptz`

// targets returns where [leadColumns] are scanned to, in their order.
func (l *Lead) targets() []any {
	return []any{
		&l.ID, &l.OrganizationID, &l.PhoneNumber, &l.PhoneNumberNormalized, &l.CustomerName, &l.Email,
		&l.Status, &l.Sentiment, &l.BikeInterest, &l.QualificationData,
		instant{&l.CreatedAt},
		instant{&l.UpdatedAt},
		optional{&l.LastContactAt},
	}
}

func scanLead(row pgx.CollectableRow) (l Lead, err error) {
	err = row.Scan(l.targets()...)
	return l, err
}

// normalize returns the SQL expression for the normalized form of the phone
// number x. Index leadcache_organizations_normalized_phone is on this
// expression: it serves only as long as the two are the same.
func normalize(x string) string {
	digits := `regexp_replace(` + x + `, '[^0-9]', '', 'g')`
	return `CASE length(` + digits + `) WHEN 10 THEN '1' || ` + digits + ` ELSE ` + digits + ` END`
}

const (
	selectLead = `SELECT ` + leadColumns + ` FROM leads l WHERE l.id = $1 AND l.id::text = $2::text`

	selectLeadByPhone = `SELECT ` + leadColumns + ` FROM leads l
		WHERE l.organization_id = $1 AND l.organization_id::text = $2::text AND l.phone_number_normalized = $3`
)

// Lead returns the lead with that id, or [tiered.ErrNotFound].
func (db *DB) Lead(ctx context.Context, id string) (Lead, error) {
	l, err := one(ctx, db, scanLead, selectLead, id, id)
	if err != nil {
		return Lead{}, db.fail("lead", err)
	}
	return l, nil
}

// LeadByPhone returns the lead of an organization that has this normalized
// phone number, or [tiered.ErrNotFound].
func (db *DB) LeadByPhone(ctx context.Context, orgID, normalized string) (Lead, error) {
	l, err := one(ctx, db, scanLead, selectLeadByPhone, orgID, orgID, normalized)
	if err != nil {
		return Lead{}, db.fail("lead by phone", err)
	}
	return l, nil
}

// DO NOTHING writes no row version when the lead exists; DO UPDATE, which would
// always return the row, leaves a dead one behind each time.
const insertLead = `WITH made AS (
		INSERT INTO leads AS l (organization_id, phone_number, phone_number_normalized, status, sentiment)
		SELECT o.id, $3, $4, 'new', 'neutral' FROM organizations o WHERE o.id = $1 AND o.id::text = $2::text
		ON CONFLICT (organization_id, phone_number_normalized) DO NOTHING
		RETURNING true, ` + leadColumns + `
	)
	SELECT * FROM made
	UNION ALL
	SELECT false, ` + leadColumns + ` FROM leads l
		WHERE l.organization_id = $1 AND l.organization_id::text = $2::text AND l.phone_number_normalized = $4`

type madeLead struct {
	lead Lead
	made bool
}

func scanMadeLead(row pgx.CollectableRow) (m madeLead, err error) {
	err = row.Scan(append([]any{&m.made}, m.lead.targets()...)...)
	return m, err
}

// CreateLead returns the lead of an organization that has this normalized
// phone number, and makes it, with the phone number as it was given, if there
// is none; created says which. However many callers on however many nodes
// create the same lead at once, one row is made and all get that one. An
// organization that does not exist is [ErrUnknownOrganization], a phone number
// that the column does not take [ErrInvalid].
func (db *DB) CreateLead(ctx context.Context, orgID, phone, normalized string) (lead Lead, created bool, err error) {
	const op = "create lead"
	for range maxRaces {
		m, err := one(ctx, db, scanMadeLead, insertLead, orgID, orgID, phone, normalized)
		if err == nil {
			return m.lead, m.made, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) && !unfit(err) {
			return Lead{}, false, db.failWrite(op, err)
		}
		// No row has two causes. Either there is no such organization, or:
		//  1. this statement takes its snapshot;
		//  2. another transaction commits the same lead;
		//  3. the INSERT, which sees what is committed, does nothing;
		//  4. the SELECT, which sees the snapshot, finds nothing.
		// The next statement sees that lead, unless it is deleted meanwhile.
		_, missing := db.Organization(ctx, orgID)
		switch {
		case errors.Is(missing, tiered.ErrNotFound):
			return Lead{}, false, db.wrap(op, ErrUnknownOrganization, nil)
		case missing != nil:
			return Lead{}, false, missing
		case unfit(err): // not the organization's id, so the phone number
			return Lead{}, false, db.failWrite(op, err)
		}
	}
	return Lead{}, false, db.wrap(op, errVanishes, nil)
}

// LeadRef is what the cache key of a lead is made of. What is null in the
// database is empty.
type LeadRef struct {
	OrganizationID        string
	PhoneNumberNormalized string
}

const selectLeadRef = `SELECT coalesce(organization_id::text, ''), coalesce(phone_number_normalized::text, '')
	FROM leads WHERE id = $1 AND id::text = $2::text`

// LeadRef returns what the cache key of the lead with that id is made of, or
// [tiered.ErrNotFound].
func (db *DB) LeadRef(ctx context.Context, id string) (LeadRef, error) {
	ref, err := one(ctx, db, pgx.RowToStructByPos[LeadRef], selectLeadRef, id, id)
	if err != nil {
		return LeadRef{}, db.fail("lead", err)
	}
	return ref, nil
}

// The lock in old waits for other updates of the row and then returns the
// version they left, which is the one that UPDATE changes: no update comes
// between what is returned as before and what is changed.
var updateLead = `WITH old AS (
		SELECT id, coalesce(organization_id::text, '') AS organization_id,
			coalesce(phone_number_normalized::text, '') AS phone_number_normalized
		FROM leads WHERE id = $1 AND id::text = $2::text FOR UPDATE
	)
	UPDATE leads AS l SET
		organization_id = CASE WHEN $3::boolean THEN $4 ELSE l.organization_id END,
		phone_number = CASE WHEN $5::boolean THEN $6 ELSE l.phone_number END,
		phone_number_normalized = CASE WHEN $5::boolean THEN ` + normalize(`$6`) + ` ELSE l.phone_number_normalized END,
		customer_name = CASE WHEN $7::boolean THEN $8 ELSE l.customer_name END,
		email = CASE WHEN $9::boolean THEN $10 ELSE l.email END,
		status = CASE WHEN $11::boolean THEN $12 ELSE l.status END,
		sentiment = CASE WHEN $13::boolean THEN $14 ELSE l.sentiment END,
		bike_interest = CASE WHEN $15::boolean THEN $16 ELSE l.bike_interest END,
		qualification_data = CASE WHEN $17::boolean THEN $18 ELSE l.qualification_data END,
		last_contact_at = CASE WHEN $19::boolean THEN $20::timestamptz ELSE l.last_contact_at END,
		updated_at = greatest(clock_timestamp(), l.updated_at + interval '1 microsecond')
	FROM old WHERE l.id = old.id
	RETURNING old.organization_id, old.phone_number_normalized, ` + leadColumns

type changedLead struct {
	before LeadRef
	after  Lead
}

func scanChangedLead(row pgx.CollectableRow) (c changedLead, err error) {
	before := []any{&c.before.OrganizationID, &c.before.PhoneNumberNormalized}
	err = row.Scan(append(before, c.after.targets()...)...)
	return c, err
}

// UpdateLead changes a lead and returns it as it is now, and what its cache key
// was made of until then. updated_at becomes the database's time, and later
// than it was in any case. It returns [tiered.ErrNotFound] if there is no such
// lead, [ErrUnknownOrganization] if the new organization does not exist,
// [ErrConflict] if it has another lead with that phone number, and
// [ErrInvalid] for a value that is not allowed. Any other error leaves open
// whether the lead was changed.
func (db *DB) UpdateLead(ctx context.Context, id string, changes LeadChanges) (before LeadRef, after Lead, err error) {
	const op = "update lead"
	if err := changes.validate(); err != nil {
		return LeadRef{}, Lead{}, fmt.Errorf("pg: %s: %w", op, err)
	}
	c, err := one(ctx, db, scanChangedLead, updateLead, append([]any{id, id}, changes.args()...)...)
	switch {
	case err == nil:
		return c.before, c.after, nil
	case errors.Is(err, pgx.ErrNoRows):
		return LeadRef{}, Lead{}, tiered.ErrNotFound
	case unfit(err):
		// The server does not say which argument it means; an identifier that
		// it cannot read has no row.
		if _, missing := db.Lead(ctx, id); errors.Is(missing, tiered.ErrNotFound) {
			return LeadRef{}, Lead{}, missing
		}
		if orgID, ok := changes.OrganizationID.Value(); ok {
			if _, missing := db.Organization(ctx, orgID); errors.Is(missing, tiered.ErrNotFound) {
				return LeadRef{}, Lead{}, db.wrap(op, ErrUnknownOrganization, nil)
			}
		}
	}
	return LeadRef{}, Lead{}, db.failWrite(op, err)
}
