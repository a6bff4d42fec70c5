package pg

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/tiered"
)

// Organization is a row of organizations: a tenant, and the number by which it
// is called.
type Organization struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	PhoneNumber pgtype.Text `json:"phone_number"`
	Settings    JSON        `json:"settings"` // business_hours, location, services
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

const organizationColumns = `o.id::text, coalesce(o.name::text, ''), o.phone_number::text, o.settings::text,
	o.created_at::timestamptz, o.updated_at::timestamptz`

func scanOrganization(row pgx.CollectableRow) (o Organization, err error) {
	err = row.Scan(&o.ID, &o.Name, &o.PhoneNumber, &o.Settings, instant{&o.CreatedAt}, instant{&o.UpdatedAt})
	return o, err
}

const (
	selectOrganization = `SELECT ` + organizationColumns + ` FROM organizations o WHERE o.id = $1 AND o.id::text = $2::text`

	// Of several that match, the oldest is the answer, on every node.
	oldestOrganization = ` ORDER BY o.created_at, o.id LIMIT 1`

	selectOrganizationByPhone = `SELECT ` + organizationColumns + ` FROM organizations o WHERE o.phone_number = $1` +
		oldestOrganization
)

var selectOrganizationByNormalizedPhone = `SELECT ` + organizationColumns + ` FROM organizations o WHERE ` +
	normalize(`phone_number`) + ` = $1` + oldestOrganization

// Organization returns the organization with that id, or
// [tiered.ErrNotFound].
func (db *DB) Organization(ctx context.Context, id string) (Organization, error) {
	o, err := one(ctx, db, scanOrganization, selectOrganization, id, id)
	if err != nil {
		return Organization{}, db.fail("organization", err)
	}
	return o, nil
}

// OrganizationByPhone returns the organization whose phone_number is number,
// character for character, or [tiered.ErrNotFound]. Of several it returns the
// oldest. A number without digits is nobody's, whatever the rows say.
func (db *DB) OrganizationByPhone(ctx context.Context, number string) (Organization, error) {
	if !strings.ContainsAny(number, "0123456789") {
		return Organization{}, tiered.ErrNotFound
	}
	o, err := one(ctx, db, scanOrganization, selectOrganizationByPhone, number)
	if err != nil {
		return Organization{}, db.fail("organization by phone", err)
	}
	return o, nil
}

// OrganizationByNormalizedPhone returns the organization whose phone_number
// has these digits when it is normalized (all but the ASCII digits dropped,
// and 1 put before ten), or [tiered.ErrNotFound]. Of several it returns the
// oldest. A number without digits is nobody's.
func (db *DB) OrganizationByNormalizedPhone(ctx context.Context, normalized string) (Organization, error) {
	if normalized == "" {
		return Organization{}, tiered.ErrNotFound
	}
	o, err := one(ctx, db, scanOrganization, selectOrganizationByNormalizedPhone, normalized)
	if err != nil {
		return Organization{}, db.fail("organization by normalized phone", err)
	}
	return o, nil
}
