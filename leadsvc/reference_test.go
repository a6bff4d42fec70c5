package leadsvc_test

import (
	"cmp"
	"encoding/json"
	"time"

	"leadcache/leadsvc"
)

// referenceDecode is what the codec is compared with: encoding/json does it
// all, by reflection.
func referenceDecode(data []byte, v any) (ok bool) {
	switch v := v.(type) {
	case *leadsvc.Lead:
		*v, ok = readOne(data, leadRow.read)
	case *leadsvc.Organization:
		*v, ok = readOne(data, organizationRow.read)
	case *leadsvc.CallSession:
		*v, ok = readOne(data, callSessionRow.read)
	case *[]leadsvc.Conversation:
		*v, ok = readAll(data, conversationRow.read)
	case *[]leadsvc.Summary:
		*v, ok = readAll(data, summaryRow.read)
	case *leadsvc.ConversationContext:
		*v, ok = readOne(data, contextRow.read)
	case *string:
		*v, ok = readOne(data, func(s string) (string, bool) { return s, s != "" })
	}
	return ok
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
	leadsvc.Lead
	CreatedAt     instant  `json:"created_at"`
	UpdatedAt     instant  `json:"updated_at"`
	LastContactAt *instant `json:"last_contact_at"`
}

func (r leadRow) read() (leadsvc.Lead, bool) {
	l := r.Lead
	l.Status = cmp.Or(l.Status, leadsvc.StatusNew) // as where the database has null
	l.Sentiment = cmp.Or(l.Sentiment, leadsvc.SentimentNeutral)
	l.CreatedAt, l.UpdatedAt = r.CreatedAt.Time, r.UpdatedAt.Time
	if r.LastContactAt != nil {
		l.LastContactAt.Time, l.LastContactAt.Valid = r.LastContactAt.Time, true
	}
	return l, l.ID != "" && l.OrganizationID != ""
}

type organizationRow struct {
	leadsvc.Organization
	CreatedAt instant `json:"created_at"`
	UpdatedAt instant `json:"updated_at"`
}

func (r organizationRow) read() (leadsvc.Organization, bool) {
	o := r.Organization
	o.CreatedAt, o.UpdatedAt = r.CreatedAt.Time, r.UpdatedAt.Time
	return o, o.ID != ""
}

type conversationRow struct {
	leadsvc.Conversation
	Timestamp instant `json:"timestamp"`
}

func (r conversationRow) read() (leadsvc.Conversation, bool) {
	c := r.Conversation
	c.Timestamp = r.Timestamp.Time
	return c, c.ID != "" && c.LeadID != ""
}

type summaryRow struct {
	leadsvc.Summary
	CreatedAt instant `json:"created_at"`
}

func (r summaryRow) read() (leadsvc.Summary, bool) {
	s := r.Summary
	s.CreatedAt = r.CreatedAt.Time
	return s, s.ID != "" && s.LeadID != ""
}

type callSessionRow struct {
	leadsvc.CallSession
	StartedAt instant  `json:"started_at"`
	EndedAt   *instant `json:"ended_at"`
}

func (r callSessionRow) read() (leadsvc.CallSession, bool) {
	s := r.CallSession
	s.StartedAt = r.StartedAt.Time
	if r.EndedAt != nil {
		s.EndedAt.Time, s.EndedAt.Valid = r.EndedAt.Time, true
	}
	return s, s.ID != "" && s.LeadID != ""
}

type contextRow struct {
	leadsvc.ConversationContext
	LastContactAt instant `json:"last_contact_at"`
}

func (r contextRow) read() (leadsvc.ConversationContext, bool) {
	c := r.ConversationContext
	c.LastContactAt = r.LastContactAt.Time
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
