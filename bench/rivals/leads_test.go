package rivals

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/pg"
)

const organization = "b0c1b1c1-0000-0000-0000-000000000001"

// keyOf returns the n-th key: 48 bytes, an organization and a number.
func keyOf(n int64) string { return fmt.Sprintf("%s:1%010d", organization, n) }

// keysOf returns the keys from the first to the one before end.
func keysOf(first, end int64) []string {
	keys := make([]string, 0, end-first)
	for n := first; n < end; n++ {
		keys = append(keys, keyOf(n))
	}
	return keys
}

// leadOf returns the lead of key, about 520 bytes as JSON.
func leadOf(key string) pg.Lead {
	day := time.Date(2025, 3, 14, 15, 9, 26, 535897000, time.UTC)
	return pg.Lead{
		ID:                    key[len(organization)+1:],
		OrganizationID:        organization,
		PhoneNumber:           "+17786528784",
		PhoneNumberNormalized: "17786528784",
		CustomerName:          pgtype.Text{String: "Robin Example", Valid: true},
		Email:                 pgtype.Text{String: "robin@example.com", Valid: true},
		Status:                "contacted",
		Sentiment:             "neutral",
		BikeInterest:          `{"type":"road","budget":{"min":1500,"max":3000},"brand":"any"}`,
		QualificationData:     `{"ready_to_buy":false,"timeline":"spring","purchase_intent":0.4}`,
		CreatedAt:             day,
		UpdatedAt:             day,
	}
}

// A source is what a cache loads from.
type source struct {
	takes time.Duration // of each load
	loads atomic.Int64
}

func (s *source) load(ctx context.Context, key string) (pg.Lead, error) {
	s.loads.Add(1)
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return pg.Lead{}, ctx.Err()
		}
	}
	return leadOf(key), nil
}
