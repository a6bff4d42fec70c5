package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Summary is a row of conversation_summaries: what one conversation was about.
type Summary struct {
	ID             string      `json:"id"`
	OrganizationID string      `json:"organization_id"`
	LeadID         string      `json:"lead_id"`
	SessionID      pgtype.Text `json:"session_id"` // of the call, if it was one
	Summary        string      `json:"summary"`
	KeyPoints      JSON        `json:"key_points"`
	CreatedAt      time.Time   `json:"created_at"`
}

const summaryColumns = `s.id::text, coalesce(s.organization_id::text, ''), s.lead_id::text, s.session_id::text,
	coalesce(s.summary, ''), s.key_points::text, s.created_at::timestamptz`

func scanSummary(row pgx.CollectableRow) (s Summary, err error) {
	err = row.Scan(&s.ID, &s.OrganizationID, &s.LeadID, &s.SessionID, &s.Summary, &s.KeyPoints, instant{&s.CreatedAt})
	return s, err
}

// maxSummaries bounds what one lead can ask of the database and of a cache; no
// prompt has room for more.
const maxSummaries = 100

var selectSummaries = `SELECT ` + summaryColumns + ` FROM conversation_summaries s
	WHERE s.lead_id = $1 AND s.lead_id::text = $2::text AND ` + ofItsOrganization("s") + `
	ORDER BY s.created_at DESC, s.id DESC LIMIT $3::bigint`

// Summaries returns the summaries of a lead's conversations in its
// organization, the newest first and at most 100. A lead without summaries, or
// an unknown one, has an empty slice.
func (db *DB) Summaries(ctx context.Context, leadID string) ([]Summary, error) {
	return list(ctx, db, "summaries", scanSummary, selectSummaries, leadID, leadID, maxSummaries)
}

// CallSession is a row of call_sessions: one phone call.
type CallSession struct {
	ID             string             `json:"id"`
	OrganizationID string             `json:"organization_id"`
	LeadID         string             `json:"lead_id"`
	SessionID      pgtype.Text        `json:"session_id"` // of the voice agent
	CallSID        pgtype.Text        `json:"call_sid"`   // of the carrier
	Status         pgtype.Text        `json:"status"`     // as the carrier says it
	StartedAt      time.Time          `json:"started_at"`
	EndedAt        pgtype.Timestamptz `json:"ended_at"` // null while the call lasts
	Metadata       JSON               `json:"metadata"`
}

const callSessionColumns = `s.id::text, coalesce(s.organization_id::text, ''), s.lead_id::text, s.session_id::text,
	s.call_sid::text, s.status::text, s.started_at::timestamptz, s.ended_at::timestamptz, s.metadata::text`

func scanCallSession(row pgx.CollectableRow) (s CallSession, err error) {
	err = row.Scan(&s.ID, &s.OrganizationID, &s.LeadID, &s.SessionID, &s.CallSID, &s.Status,
		instant{&s.StartedAt}, optional{&s.EndedAt}, &s.Metadata)
	return s, err
}

var selectCallSession = `SELECT ` + callSessionColumns + ` FROM call_sessions s
	WHERE s.lead_id = $1 AND s.lead_id::text = $2::text AND ` + ofItsOrganization("s") + `
	ORDER BY s.started_at DESC NULLS LAST, s.id DESC LIMIT 1`

// CallSession returns the newest call of a lead in its organization, or [tiered.ErrNotFound].
func (db *DB) CallSession(ctx context.Context, leadID string) (CallSession, error) {
	s, err := one(ctx, db, scanCallSession, selectCallSession, leadID, leadID)
	if err != nil {
		return CallSession{}, db.fail("call session", err)
	}
	return s, nil
}
