package pg

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// hasJSON says whether JSON can say t, in UTC.
func hasJSON(t time.Time) bool {
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}

// instant scans a timestamp as UTC, which is how it comes back from JSON. Null
// and what no JSON time can say, the infinities for one, are the zero time.
type instant struct{ t *time.Time }

// ScanTimestamptz is called by pgx.
func (i instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	var o pgtype.Timestamptz
	err := optional{&o}.ScanTimestamptz(v)
	*i.t = o.Time
	return err
}

// optional scans a timestamp that may be null, as UTC.
type optional struct{ t *pgtype.Timestamptz }

// ScanTimestamptz is called by pgx.
func (o optional) ScanTimestamptz(v pgtype.Timestamptz) error {
	*o.t = pgtype.Timestamptz{}
	if v.Valid && v.InfinityModifier == pgtype.Finite && hasJSON(v.Time) {
		*o.t = pgtype.Timestamptz{Time: v.Time.UTC(), Valid: true}
	}
	return nil
}
