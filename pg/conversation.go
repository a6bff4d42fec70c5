package pg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/tiered"
)

// Sender says who sent a message.
type Sender string

// The senders of a message.
const (
	SenderUser       Sender = "user"
	SenderAgent      Sender = "agent"
	SenderHumanAgent Sender = "human_agent"
	SenderSystem     Sender = "system"
)

var senders = []Sender{SenderUser, SenderAgent, SenderHumanAgent, SenderSystem}

// Channel says which way a message came: the column type of conversations.
type Channel string

// The channels of a message.
const (
	ChannelVoice  Channel = "voice"
	ChannelSMS    Channel = "sms"
	ChannelEmail  Channel = "email"
	ChannelSystem Channel = "system"
)

var channels = []Channel{ChannelVoice, ChannelSMS, ChannelEmail, ChannelSystem}

// Conversation is a row of conversations: one message.
type Conversation struct {
	ID                    string      `json:"id"`
	OrganizationID        string      `json:"organization_id"`
	LeadID                string      `json:"lead_id"`
	PhoneNumberNormalized pgtype.Text `json:"phone_number_normalized"`
	Content               string      `json:"content"`
	SentBy                Sender      `json:"sent_by"`
	Type                  Channel     `json:"type"`
	Timestamp             time.Time   `json:"timestamp"`
	Metadata              JSON        `json:"metadata"`
}

// Message is what becomes a [Conversation]. The row takes organization and
// phone number from the lead.
type Message struct {
	LeadID    string
	Content   string
	SentBy    Sender
	Type      Channel
	Timestamp time.Time // zero: the database's time
	Metadata  JSON

	// OrganizationID, if it is not empty, is the organization to which the
	// message was sent: if the lead is not, or no longer, one of its, there is
	// no such lead.
	OrganizationID string

	// ExternalID, if it is not empty, names the message where it came from,
	// Twilio's MessageSid for one. A lead has one message of each name.
	ExternalID string
}

func (m Message) validate() error {
	switch {
	case !slices.Contains(senders, m.SentBy):
		return fmt.Errorf("sent_by: %w", ErrInvalid)
	case !slices.Contains(channels, m.Type):
		return fmt.Errorf("type: %w", ErrInvalid)
	case !m.Metadata.valid():
		return fmt.Errorf("metadata: not JSON: %w", ErrInvalid)
	case !hasJSON(m.Timestamp):
		return fmt.Errorf("timestamp: beyond the year 9999: %w", ErrInvalid)
	}
	return nil
}

const conversationColumns = `c.id::text, coalesce(c.organization_id::text, ''), c.lead_id::text,
	c.phone_number_normalized::text, coalesce(c.content, ''), coalesce(c.sent_by::text, ''),
	coalesce(c.type::text, ''), c."timestamp"::timestamptz, c.metadata::text`

func scanConversation(row pgx.CollectableRow) (c Conversation, err error) {
	err = row.Scan(&c.ID, &c.OrganizationID, &c.LeadID, &c.PhoneNumberNormalized, &c.Content,
		&c.SentBy, &c.Type, instant{&c.Timestamp}, &c.Metadata)
	return c, err
}

// ofItsOrganization is the condition that a row x of a lead, whose id is $1, is
// of the organization to which the lead belongs now. What was said to another,
// before the lead moved, is none of this one's business. Rows of the old
// service may have none.
func ofItsOrganization(x string) string {
	return `coalesce(` + x + `.organization_id = (SELECT organization_id FROM leads WHERE id = $1), true)`
}

var selectConversations = `SELECT ` + conversationColumns + ` FROM (
		SELECT * FROM conversations x WHERE lead_id = $1 AND lead_id::text = $2::text AND ` + ofItsOrganization("x") + `
		ORDER BY "timestamp" DESC, id DESC LIMIT $3::bigint
	) c ORDER BY c."timestamp", c.id`

// Conversations returns the last messages of a lead in its organization, at
// most limit of them, in the order in which they were sent. A lead without messages, or an unknown
// one, has an empty slice. A limit below 1 is [ErrInvalid].
func (db *DB) Conversations(ctx context.Context, leadID string, limit int) ([]Conversation, error) {
	const op = "conversations"
	if limit < 1 {
		return nil, fmt.Errorf("pg: %s: limit %d: %w", op, limit, ErrInvalid)
	}
	return list(ctx, db, op, scanConversation, selectConversations, leadID, leadID, limit)
}

// list is many for rows that belong to a lead; a lead that cannot exist has
// none.
func list[T any](ctx context.Context, db *DB, op string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := many(ctx, db, scan, sql, args...)
	if err == nil {
		return rows, nil
	}
	if err = db.fail(op, err); errors.Is(err, tiered.ErrNotFound) {
		return []T{}, nil
	}
	return nil, err
}

const insertConversation = `WITH made AS (
		INSERT INTO conversations AS c (organization_id, lead_id, phone_number_normalized,
			content, sent_by, type, "timestamp", metadata, external_id)
		SELECT l.organization_id, l.id, l.phone_number_normalized,
			$3, $4, $5, coalesce($6, clock_timestamp()), $7, $8::text
		FROM leads l WHERE l.id = $1 AND l.id::text = $2::text AND $9::text IN ('', l.organization_id::text)
		ON CONFLICT (lead_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
		RETURNING ` + conversationColumns + `
	)
	SELECT * FROM made
	UNION ALL
	SELECT ` + conversationColumns + ` FROM conversations c
		WHERE c.lead_id = $1 AND c.lead_id::text = $2::text AND c.external_id = $8::text
			AND $9::text IN ('', c.organization_id::text)`

// AppendMessage stores a message and returns it. A message whose ExternalID
// the lead has already is not stored again: the stored one is returned. It
// returns [tiered.ErrNotFound] if there is no such lead,
// [ErrUnknownOrganization] if the lead's own is gone, [ErrConflict] if the lead
// has sent a message of that name to another organization, and [ErrInvalid] for
// a value that is not allowed.
func (db *DB) AppendMessage(ctx context.Context, m Message) (Conversation, error) {
	const op = "append message"
	if err := m.validate(); err != nil {
		return Conversation{}, fmt.Errorf("pg: %s: %w", op, err)
	}
	at := pgtype.Timestamptz{Time: m.Timestamp, Valid: !m.Timestamp.IsZero()}
	name := pgtype.Text{String: m.ExternalID, Valid: m.ExternalID != ""}
	for range maxRaces {
		c, err := one(ctx, db, scanConversation, insertConversation,
			m.LeadID, m.LeadID, m.Content, string(m.SentBy), string(m.Type), at, m.Metadata, name, m.OrganizationID)
		if err == nil {
			return c, nil
		}
		none := errors.Is(err, pgx.ErrNoRows)
		if !none && !unfit(err) && !isCode(err, foreignKeyViolation) {
			return Conversation{}, db.failWrite(op, err)
		}
		// There is no such lead, no longer, or none with such an id. If there
		// is, another node stored the same message after this statement's
		// snapshot, see [DB.CreateLead], or the error speaks of something else.
		lead, missing := db.Lead(ctx, m.LeadID)
		if missing != nil {
			return Conversation{}, missing
		}
		if m.OrganizationID != "" && m.OrganizationID != lead.OrganizationID {
			return Conversation{}, tiered.ErrNotFound
		}
		if !none {
			return Conversation{}, db.failWrite(op, err)
		}
	}
	if m.OrganizationID != "" && name.Valid {
		// The lead has a message of that name that it sent to another organization.
		return Conversation{}, db.wrap(op, ErrConflict, nil)
	}
	return Conversation{}, db.wrap(op, errVanishes, nil)
}
