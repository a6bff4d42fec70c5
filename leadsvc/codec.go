package leadsvc

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"leadcache/tiered"
)

// codec is JSON with the names of the columns. What it reads may have been
// written by the old service, from rows as its database gateway gives them:
// with columns unknown here, nulls, and times in any zone or none. What is no
// row, or does not say whose it is, it refuses: {} and null are valid JSON.
type codec struct{}

var _ tiered.Codec = codec{}

func (codec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// errForeign says nothing of the value, which the errors of encoding/json
// quote.
var errForeign = errors.New("leadsvc: not a value of this cache")

func (codec) Unmarshal(data []byte, v any) error {
	var ok bool
	switch v := v.(type) {
	case *Lead:
		*v, ok = readOne(data, leadRow.read)
	case *Organization:
		*v, ok = readOne(data, organizationRow.read)
	case *CallSession:
		*v, ok = readOne(data, callSessionRow.read)
	case *ConversationContext:
		*v, ok = readOne(data, contextValue)
	case *[]Conversation:
		*v, ok = readAll(data, conversationRow.read)
	case *[]Summary:
		*v, ok = readAll(data, summaryRow.read)
	case *string:
		*v, ok = readOne(data, func(s string) (string, bool) { return s, s != "" })
	}
	if !ok {
		return errForeign
	}
	return nil
}

// readOne decodes a row of type R and makes a value of it, unless it is none.
func readOne[R, V any](data []byte, read func(R) (V, bool)) (v V, ok bool) {
	var row R
	if json.Unmarshal(data, &row) != nil {
		return v, false
	}
	return read(row)
}

// readAll is readOne for a list; one that is not whole is none at all.
func readAll[R, V any](data []byte, read func(R) (V, bool)) ([]V, bool) {
	var rows []R
	if json.Unmarshal(data, &rows) != nil || rows == nil {
		return nil, false
	}
	values := make([]V, len(rows))
	for i, row := range rows {
		var ok bool
		if values[i], ok = read(row); !ok {
			return nil, false
		}
	}
	return values, true
}

// The fields of a row that are named like those of the type it embeds are
// decoded in their place.

type leadRow struct {
	Lead
	CreatedAt     instant  `json:"created_at"`
	UpdatedAt     instant  `json:"updated_at"`
	LastContactAt *instant `json:"last_contact_at"`
}

func (r leadRow) read() (Lead, bool) {
	l := r.Lead
	l.Status = cmp.Or(l.Status, StatusNew) // as where the database has null
	l.Sentiment = cmp.Or(l.Sentiment, SentimentNeutral)
	l.CreatedAt, l.UpdatedAt = r.CreatedAt.Time, r.UpdatedAt.Time
	if r.LastContactAt != nil {
		l.LastContactAt.Time, l.LastContactAt.Valid = r.LastContactAt.Time, true
	}
	return l, l.ID != "" && l.OrganizationID != ""
}

type organizationRow struct {
	Organization
	CreatedAt instant `json:"created_at"`
	UpdatedAt instant `json:"updated_at"`
}

func (r organizationRow) read() (Organization, bool) {
	o := r.Organization
	o.CreatedAt, o.UpdatedAt = r.CreatedAt.Time, r.UpdatedAt.Time
	return o, o.ID != ""
}

type conversationRow struct {
	Conversation
	Timestamp instant `json:"timestamp"`
}

func (r conversationRow) read() (Conversation, bool) {
	c := r.Conversation
	c.Timestamp = r.Timestamp.Time
	return c, c.ID != "" && c.LeadID != ""
}

type summaryRow struct {
	Summary
	CreatedAt instant `json:"created_at"`
}

func (r summaryRow) read() (Summary, bool) {
	s := r.Summary
	s.CreatedAt = r.CreatedAt.Time
	return s, s.ID != "" && s.LeadID != ""
}

type callSessionRow struct {
	CallSession
	StartedAt instant  `json:"started_at"`
	EndedAt   *instant `json:"ended_at"`
}

func (r callSessionRow) read() (CallSession, bool) {
	s := r.CallSession
	s.StartedAt = r.StartedAt.Time
	if r.EndedAt != nil {
		s.EndedAt.Time, s.EndedAt.Valid = r.EndedAt.Time, true
	}
	return s, s.ID != "" && s.LeadID != ""
}

func contextValue(c ConversationContext) (ConversationContext, bool) {
	c.LastContactAt = c.LastContactAt.UTC()
	return c, c.LeadID != ""
}

// instant is a time in UTC, the zone of all times that the database returns.
// One without a zone is in UTC too: it comes from a column without one.
type instant struct{ time.Time }

const noZone = "2006-01-02T15:04:05.999999999"

// UnmarshalJSON takes null for the zero time.
func (i *instant) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		return err
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		t, err = time.Parse(noZone, *text)
	}
	i.Time = t.UTC()
	return err
}
