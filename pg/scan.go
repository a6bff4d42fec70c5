package pg

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// instant scans a timestamp as UTC, which is how it comes back from JSON. Null
// and the infinities, which no JSON time can say, are the zero time.
type instant struct{ t *time.Time }

// ScanTimestamptz is called by pgx.
func (i instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	*i.t = time.Time{}
	if v.Valid && v.InfinityModifier == pgtype.Finite {
		*i.t = v.Time.UTC()
	}
	return nil
}

// optional scans a timestamp that may be null, as UTC.
type optional struct{ t *pgtype.Timestamptz }

// ScanTimestamptz is called by pgx.
func (o optional) ScanTimestamptz(v pgtype.Timestamptz) error {
	*o.t = pgtype.Timestamptz{}
	if v.Valid && v.InfinityModifier == pgtype.Finite {
		*o.t = pgtype.Timestamptz{Time: v.Time.UTC(), Valid: true}
	}
	return nil
}
