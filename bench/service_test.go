package bench

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// A database has callers: each has written to an organization of its own.
type database struct {
	*pg.DB
	callers []caller
}

// A caller is known by two phone numbers.
type caller struct{ from, to string }

// newDatabase returns a database with n callers. The lead of each has some
// details, ten messages and a summary.
func newDatabase(b *testing.B, n int) database {
	b.Helper()
	url := servertest.Schema(b, servertest.DatabaseURL(b))
	db, err := pg.Open(b.Context(), pg.Options{URL: url, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(db.Close)
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for _, sql := range seed {
		if _, err := conn.Exec(b.Context(), sql, pgx.QueryExecModeSimpleProtocol, n); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := conn.Exec(b.Context(), "ANALYZE organizations, leads, conversations, conversation_summaries"); err != nil {
		b.Fatal(err) // without it the plans are those of empty tables
	}
	d := database{DB: db}
	rows, err := conn.Query(b.Context(), `SELECT l.phone_number, o.phone_number FROM leads l JOIN organizations o ON o.id = l.organization_id`)
	if err != nil {
		b.Fatal(err)
	}
	d.callers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c caller, err error) { return c, row.Scan(&c.from, &c.to) })
	if err != nil || len(d.callers) != n {
		b.Fatalf("%d callers, %v, want %d", len(d.callers), err, n)
	}
	return d
}

// seed makes the rows of $1 callers.
var seed = []string{
	`INSERT INTO organizations (name, phone_number)
		SELECT 'Cycles ' || n, '+1604' || to_char(n, 'FM0000000') FROM generate_series(1, $1) n`,
	`INSERT INTO leads (organization_id, phone_number, phone_number_normalized, customer_name, email, status,
			bike_interest, qualification_data)
		SELECT id, '+1778' || right(phone_number, 7), '1778' || right(phone_number, 7), 'Robin Example', 'robin@example.com',
			'contacted', '{"type": "road", "budget": {"min": 1500, "max": 3000}, "brand": "any"}',
			'{"ready_to_buy": false, "timeline": "spring", "purchase_intent": 0.4}'
		FROM organizations WHERE phone_number IS NOT NULL ORDER BY id LIMIT $1`,
	`INSERT INTO conversations (organization_id, lead_id, phone_number_normalized, content, sent_by, type)
		SELECT organization_id, id, phone_number_normalized, 'Is the road bike still there, and in which sizes?', 'user', 'sms'
		FROM leads, generate_series(1, 10) LIMIT $1 * 10`,
	`INSERT INTO conversation_summaries (organization_id, lead_id, summary)
		SELECT organization_id, id, 'Robin looks for a road bike below 3,000 dollars and wants to come in spring.'
		FROM leads LIMIT $1`,
}

// newService returns a service on a link of its own.
func newService(b *testing.B, db database, o tiered.RedisOptions, cfg leadsvc.Config) *leadsvc.Service {
	b.Helper()
	o.URL = servertest.RedisURL(b)
	rdb := dial(b, o)
	if !o.Disabled {
		servertest.Eventually(b, 30*time.Second, func() bool { return rdb.Status().Connected }, "connection to Redis")
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.LeadTTL, cfg.OrganizationTTL, cfg.ContextTTL = time.Hour, time.Hour, time.Hour
	s, err := leadsvc.New(rdb, db.DB, cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
