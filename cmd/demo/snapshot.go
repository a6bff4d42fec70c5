package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// messagesRead is how many of the last messages of a lead are read: enough for
// a prompt.
const messagesRead = 5

// A row is one database row as JSON, by column name.
type row = map[string]any

// A snapshot is what the database holds in the end, as Postgres itself writes
// it.
type snapshot struct {
	leads, organizations map[string]row   // by id
	messages             map[string][]row // by lead, the last messagesRead of each, the newest last

	leadCounts    map[customer]int // how many leads each customer has
	messageCounts map[message]int  // how often each message is stored
}

func (s *store) snapshot(ctx context.Context) (snapshot, error) {
	got := snapshot{
		leads: make(map[string]row), organizations: make(map[string]row), messages: make(map[string][]row),
		leadCounts: make(map[customer]int), messageCounts: make(map[message]int),
	}
	return got, errors.Join(
		s.each(ctx, into(got.leads), `SELECT id::text, to_jsonb(l) FROM leads l`),
		s.each(ctx, into(got.organizations), `SELECT id::text, to_jsonb(o) FROM organizations o`),
		s.each(ctx, got.scanMessage, selectLastMessages, messagesRead),
		s.each(ctx, got.scanLeadCount, countLeads),
		s.each(ctx, got.scanMessageCount, countMessages),
	)
}

func into(rows map[string]row) func(pgx.CollectableRow) error {
	return func(r pgx.CollectableRow) error {
		var id string
		var fields row
		err := r.Scan(&id, &fields)
		rows[id] = fields
		return err
	}
}

// The name that a carrier gave a message is for the database alone.
const selectLastMessages = `SELECT l.id::text, to_jsonb(m) - 'external_id'
	FROM leads l CROSS JOIN LATERAL (
		SELECT * FROM conversations c WHERE c.lead_id = l.id
		ORDER BY c."timestamp" DESC, c.id DESC LIMIT $1
	) m ORDER BY l.id, m."timestamp", m.id`

func (s snapshot) scanMessage(r pgx.CollectableRow) error {
	var lead string
	var fields row
	err := r.Scan(&lead, &fields)
	s.messages[lead] = append(s.messages[lead], fields)
	return err
}

const countLeads = `SELECT organization_id::text, phone_number_normalized, count(*)
	FROM leads GROUP BY organization_id, phone_number_normalized`

func (s snapshot) scanLeadCount(r pgx.CollectableRow) error {
	var c customer
	var n int
	err := r.Scan(&c.organization, &c.phone, &n)
	s.leadCounts[c] = n
	return err
}

const countMessages = `SELECT coalesce(c.external_id, ''), l.organization_id::text, l.phone_number_normalized, count(*)
	FROM conversations c JOIN leads l ON l.id = c.lead_id GROUP BY 1, 2, 3`

func (s snapshot) scanMessageCount(r pgx.CollectableRow) error {
	var m message
	var n int
	err := r.Scan(&m.id, &m.organization, &m.phone, &n)
	s.messageCounts[m] = n
	return err
}

func (s *store) each(ctx context.Context, visit func(pgx.CollectableRow) error, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
