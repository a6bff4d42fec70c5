package leadsvc

import (
	"cmp"
	"time"
)

// The columns of each row are those of its type, under the names and in the
// order in which encoding/json writes them.

var leadRow = row[Lead]{
	columns: []column[Lead]{
		text("id", func(l *Lead) *string { return &l.ID }),
		text("organization_id", func(l *Lead) *string { return &l.OrganizationID }),
		text("phone_number", func(l *Lead) *string { return &l.PhoneNumber }),
		text("phone_number_normalized", func(l *Lead) *string { return &l.PhoneNumberNormalized }),
		optionalText("customer_name", func(l *Lead) (*string, *bool) { return &l.CustomerName.String, &l.CustomerName.Valid }),
		optionalText("email", func(l *Lead) (*string, *bool) { return &l.Email.String, &l.Email.Valid }),
		text("status", func(l *Lead) *Status { return &l.Status }),
		text("sentiment", func(l *Lead) *Sentiment { return &l.Sentiment }),
		document("bike_interest", func(l *Lead) *JSON { return &l.BikeInterest }),
		document("qualification_data", func(l *Lead) *JSON { return &l.QualificationData }),
		instant("created_at", func(l *Lead) *time.Time { return &l.CreatedAt }),
		instant("updated_at", func(l *Lead) *time.Time { return &l.UpdatedAt }),
		optionalInstant("last_contact_at", func(l *Lead) (*time.Time, *bool) { return &l.LastContactAt.Time, &l.LastContactAt.Valid }),
	},
	complete: func(l *Lead) bool {
		l.Status = cmp.Or(l.Status, StatusNew) // as where the database has null
		l.Sentiment = cmp.Or(l.Sentiment, SentimentNeutral)
		return l.ID != "" && l.OrganizationID != ""
	},
}

var organizationRow = row[Organization]{
	columns: []column[Organization]{
		text("id", func(o *Organization) *string { return &o.ID }),
		text("name", func(o *Organization) *string { return &o.Name }),
		optionalText("phone_number", func(o *Organization) (*string, *bool) { return &o.PhoneNumber.String, &o.PhoneNumber.Valid }),
		document("settings", func(o *Organization) *JSON { return &o.Settings }),
		instant("created_at", func(o *Organization) *time.Time { return &o.CreatedAt }),
		instant("updated_at", func(o *Organization) *time.Time { return &o.UpdatedAt }),
	},
	complete: func(o *Organization) bool { return o.ID != "" },
}

var conversationRow = row[Conversation]{
	columns: []column[Conversation]{
		text("id", func(c *Conversation) *string { return &c.ID }),
		text("organization_id", func(c *Conversation) *string { return &c.OrganizationID }),
		text("lead_id", func(c *Conversation) *string { return &c.LeadID }),
		optionalText("phone_number_normalized", func(c *Conversation) (*string, *bool) {
			return &c.PhoneNumberNormalized.String, &c.PhoneNumberNormalized.Valid
		}),
		text("content", func(c *Conversation) *string { return &c.Content }),
		text("sent_by", func(c *Conversation) *Sender { return &c.SentBy }),
		text("type", func(c *Conversation) *Channel { return &c.Type }),
		instant("timestamp", func(c *Conversation) *time.Time { return &c.Timestamp }),
		document("metadata", func(c *Conversation) *JSON { return &c.Metadata }),
	},
	complete: func(c *Conversation) bool { return c.ID != "" && c.LeadID != "" },
}

var summaryRow = row[Summary]{
	columns: []column[Summary]{
		text("id", func(s *Summary) *string { return &s.ID }),
		text("organization_id", func(s *Summary) *string { return &s.OrganizationID }),
		text("lead_id", func(s *Summary) *string { return &s.LeadID }),
		optionalText("session_id", func(s *Summary) (*string, *bool) { return &s.SessionID.String, &s.SessionID.Valid }),
		text("summary", func(s *Summary) *string { return &s.Summary }),
		document("key_points", func(s *Summary) *JSON { return &s.KeyPoints }),
		instant("created_at", func(s *Summary) *time.Time { return &s.CreatedAt }),
	},
	complete: func(s *Summary) bool { return s.ID != "" && s.LeadID != "" },
}

var callSessionRow = row[CallSession]{
	columns: []column[CallSession]{
		text("id", func(s *CallSession) *string { return &s.ID }),
		text("organization_id", func(s *CallSession) *string { return &s.OrganizationID }),
		text("lead_id", func(s *CallSession) *string { return &s.LeadID }),
		optionalText("session_id", func(s *CallSession) (*string, *bool) { return &s.SessionID.String, &s.SessionID.Valid }),
		optionalText("call_sid", func(s *CallSession) (*string, *bool) { return &s.CallSID.String, &s.CallSID.Valid }),
		optionalText("status", func(s *CallSession) (*string, *bool) { return &s.Status.String, &s.Status.Valid }),
		instant("started_at", func(s *CallSession) *time.Time { return &s.StartedAt }),
		optionalInstant("ended_at", func(s *CallSession) (*time.Time, *bool) { return &s.EndedAt.Time, &s.EndedAt.Valid }),
		document("metadata", func(s *CallSession) *JSON { return &s.Metadata }),
	},
	complete: func(s *CallSession) bool { return s.ID != "" && s.LeadID != "" },
}

var contextRow = row[ConversationContext]{
	columns: []column[ConversationContext]{
		text("lead_id", func(c *ConversationContext) *string { return &c.LeadID }),
		text("organization_id", func(c *ConversationContext) *string { return &c.OrganizationID }),
		text("customer_name", func(c *ConversationContext) *string { return &c.CustomerName }),
		text("status", func(c *ConversationContext) *Status { return &c.Status }),
		text("sentiment", func(c *ConversationContext) *Sentiment { return &c.Sentiment }),
		document("bike_interest", func(c *ConversationContext) *JSON { return &c.BikeInterest }),
		document("qualification_data", func(c *ConversationContext) *JSON { return &c.QualificationData }),
		instant("last_contact_at", func(c *ConversationContext) *time.Time { return &c.LastContactAt }).
			unless(func(c *ConversationContext) bool { return c.LastContactAt.IsZero() }),
		text("text", func(c *ConversationContext) *string { return &c.Text }),
	},
	complete: func(c *ConversationContext) bool { return c.LeadID != "" },
}
