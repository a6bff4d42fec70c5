package leadsvc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// shared is how a fleet is set up that shares its keys with the old service.
var shared = leadsvc.Config{PlainJSON: true, LeadKeyPrefix: "bici:lead:"}

// The rows as the database gateway of the old service gives them, and as it
// put them into Redis.
const (
	oldLeadID = "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d"

	oldLead = `{
		"id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001",
		"phone_number": "+17786528784", "phone_number_normalized": "17786528784", "customer_name": "Ann <3", "email": null,
		"status": "contacted", "sentiment": "positive", "bike_interest": {"type": "gravel", "budget": {"min": 1500, "max": null}},
		"qualification_data": null, "assigned_to": null, "tags": ["vip"], "lead_score": 12.5,
		"created_at": "2024-05-01T12:00:00.123456+00:00", "updated_at": "2024-05-01T05:00:00-07:00", "last_contact_at": null}`

	oldOrganization = `{
		"id": "b0c1b1c1-0000-0000-0000-000000000002", "name": "Bici", "slug": "bici", "phone_number": "+17786528784",
		"settings": {"business_hours": {"mon": ["9:00", "17:00"]}, "location": null, "services": ["repair"]},
		"is_active": true, "created_at": "2024-05-01T12:00:00+00:00", "updated_at": "2024-05-01T12:00:00.5Z"}`

	oldConversations = `[
		{"id": "c1", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001", "lead_id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d",
		 "phone_number_normalized": null, "content": "hi", "sent_by": "user", "type": "sms", "call_classification": null,
		 "timestamp": "2024-05-01T12:00:00+00:00", "metadata": null},
		{"id": "c2", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001", "lead_id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d",
		 "phone_number_normalized": "17786528784", "content": "hello", "sent_by": "agent", "type": "voice",
		 "timestamp": "2024-05-01T12:00:01.25+00:00", "metadata": {"a": 1}}]`

	oldSummaries = `[
		{"id": "s1", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001", "lead_id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d",
		 "session_id": null, "summary": "asked for a bike", "key_points": ["gravel"], "sentiment_score": 0.5,
		 "created_at": "2024-05-01T12:00:00+00:00"}]`

	oldSession = `{
		"id": "x1", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001", "lead_id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d",
		"session_id": "conv_1", "call_sid": null, "status": "active", "started_at": "2024-05-01T12:00:00.5", "ended_at": null,
		"metadata": {}, "duration": null}`

	oldContext = `{
		"lead_id": "3b0e2d8c-5a5e-4a51-9d7e-0f6c9a1b2c3d", "organization_id": "b0c1b1c1-0000-0000-0000-000000000001",
		"customer_name": "Ann", "status": "contacted", "sentiment": "positive", "bike_interest": null, "qualification_data": null,
		"text": "Ann wants a bike", "tone": "warm"}`

	oldGreeting = `"Hey Ann!"`
)

// oldValues are what the old service has for one lead, by key.
func oldValues() map[string]string {
	return map[string]string{
		"bici:lead:17786528784:" + defaultOrg: oldLead,
		"bici:org:+17786528784":               oldOrganization,
		"bici:conv:" + oldLeadID + ":10":      oldConversations,
		"bici:sum:" + oldLeadID:               oldSummaries,
		"bici:sess:" + oldLeadID:              oldSession,
		"bici:ctx:" + oldLeadID:               oldContext,
		"bici:greet:" + oldLeadID:             oldGreeting,
	}
}

func TestWhatTheOldServiceWroteIsReadWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for key, value := range oldValues() {
		f.set(t, key, value)
	}
	n := f.node(t, shared)
	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	want := map[string]any{
		"lead": leadsvc.Lead{
			ID: oldLeadID, OrganizationID: defaultOrg, PhoneNumber: phone, PhoneNumberNormalized: digits, CustomerName: text("Ann <3"),
			Status: leadsvc.StatusContacted, Sentiment: leadsvc.SentimentPositive,
			BikeInterest: `{"type":"gravel","budget":{"min":1500,"max":null}}`,
			CreatedAt:    noon.Add(123456 * time.Microsecond), UpdatedAt: noon,
		},
		"organization": leadsvc.Organization{
			ID: otherOrg, Name: "Bici", PhoneNumber: text(phone),
			Settings:  `{"business_hours":{"mon":["9:00","17:00"]},"location":null,"services":["repair"]}`,
			CreatedAt: noon, UpdatedAt: noon.Add(500 * time.Millisecond),
		},
		"conversations": []leadsvc.Conversation{
			{
				ID: "c1", OrganizationID: defaultOrg, LeadID: oldLeadID, Content: "hi",
				SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS, Timestamp: noon,
			},
			{
				ID: "c2", OrganizationID: defaultOrg, LeadID: oldLeadID, PhoneNumberNormalized: text(digits), Content: "hello",
				SentBy: leadsvc.SenderAgent, Type: leadsvc.ChannelVoice, Timestamp: noon.Add(1250 * time.Millisecond), Metadata: `{"a":1}`,
			},
		},
		"summaries": []leadsvc.Summary{{
			ID: "s1", OrganizationID: defaultOrg, LeadID: oldLeadID, Summary: "asked for a bike", KeyPoints: `["gravel"]`, CreatedAt: noon,
		}},
		"session": leadsvc.CallSession{
			ID: "x1", OrganizationID: defaultOrg, LeadID: oldLeadID, SessionID: text("conv_1"), Status: text("active"),
			StartedAt: noon.Add(500 * time.Millisecond), Metadata: `{}`, // from a column without a zone
		},
		"context": leadsvc.ConversationContext{
			LeadID: oldLeadID, OrganizationID: defaultOrg, CustomerName: "Ann", Status: leadsvc.StatusContacted,
			Sentiment: leadsvc.SentimentPositive, Text: "Ann wants a bike",
		},
		"greeting": "Hey Ann!",
	}
	for range 2 {
		if diff := cmp.Diff(want, readShared(t, n, oldLeadID)); diff != "" {
			t.Errorf("what the old service wrote (-want +got):\n%s", diff)
		}
	}
	if q := n.db.Queries(); q != 0 {
		t.Errorf("%d statements, want none", q)
	}
	if lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg); err != nil || lead.ID != oldLeadID {
		t.Errorf("FindOrCreateLead = %+v, %v, want the lead of the old service", lead, err)
	}
}

// A program in another language reads what this one wrote by the names of the
// columns, and finds what the rows say.
func TestWhatIsWrittenIsPlainJSONWithTheNamesOfTheColumns(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.exec(t, `INSERT INTO organizations (id, name, phone_number, settings) VALUES ($1, 'Bici', $2, '{"services": ["repair", null]}')`,
		otherOrg, phone)
	n := f.node(t, shared)
	lead := f.sharedLead(t, n)
	readShared(t, n, lead.ID)

	for key, query := range map[string]string{
		"bici:lead:" + digits + ":" + defaultOrg: `SELECT to_jsonb(l) FROM leads l WHERE id = $1`,
		"bici:conv:" + lead.ID + ":10":           `SELECT jsonb_agg(to_jsonb(c) - 'external_id' ORDER BY "timestamp") FROM conversations c WHERE lead_id = $1`,
		"bici:sum:" + lead.ID:                    `SELECT jsonb_agg(to_jsonb(s) ORDER BY created_at DESC) FROM conversation_summaries s WHERE lead_id = $1`,
		"bici:sess:" + lead.ID:                   `SELECT to_jsonb(s) FROM call_sessions s WHERE lead_id = $1`,
		"bici:org:" + phone:                      `SELECT to_jsonb(o) FROM organizations o WHERE $1 <> '' AND phone_number IS NOT NULL`,
	} {
		var row []byte
		if err := f.sql.QueryRow(t.Context(), query, lead.ID).Scan(&row); err != nil {
			t.Fatalf("the row of %s: %v", key, err)
		}
		if diff := cmp.Diff(parse(t, row), parse(t, f.get(t, key))); diff != "" {
			t.Errorf("%s (-row +Redis):\n%s", key, diff)
		}
	}
	about, ok := parse(t, f.get(t, "bici:ctx:"+lead.ID)).(map[string]any)
	if !ok || about["lead_id"] != lead.ID || about["organization_id"] != defaultOrg || about["text"] == "" {
		t.Errorf("bici:ctx holds %v, want the context", about)
	}
	if greeting := parse(t, f.get(t, "bici:greet:"+lead.ID)); greeting != readShared(t, n, lead.ID)["greeting"] {
		t.Errorf("bici:greet holds %v, want the greeting", greeting)
	}
}

// What another program does to a key is seen by a node that holds it.
func TestSetAndDelOfAnotherProgramAreSeen(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.exec(t, `INSERT INTO leads (id, organization_id, phone_number, phone_number_normalized) VALUES ($1, $2, $3, $4)`,
		oldLeadID, defaultOrg, phone, digits)
	n := f.node(t, shared)
	f.sharedLead(t, n)
	ours := readShared(t, n, oldLeadID)
	kinds := map[string]string{
		"lead": "bici:lead:" + digits + ":" + defaultOrg, "organization": "bici:org:" + phone,
		"conversations": "bici:conv:" + oldLeadID + ":10", "summaries": "bici:sum:" + oldLeadID,
		"session": "bici:sess:" + oldLeadID, "context": "bici:ctx:" + oldLeadID, "greeting": "bici:greet:" + oldLeadID,
	}
	theirs := oldValues()
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		key := kinds[kind]
		asked := n.db.Queries()
		f.set(t, key, theirs[key])
		servertest.Eventually(t, soon, func() bool { return !cmp.Equal(ours[kind], readShared(t, n, oldLeadID)[kind]) },
			"the "+kind+" of the other program to be seen")
		if q := n.db.Queries() - asked; q != 0 {
			t.Errorf("after SET of the %s the node sent %d statements, want none", kind, q)
		}
		f.del(t, key)
		servertest.Eventually(t, soon, func() bool { return cmp.Equal(ours[kind], readShared(t, n, oldLeadID)[kind]) },
			"the "+kind+" to be read again")
	}
}

// The old service remembered null where it had found nothing.
func TestNullOfTheOldServiceIsAMiss(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first := f.node(t, shared)
	lead := f.sharedLead(t, first)
	want := readShared(t, first, lead.ID)
	keys := f.keys(t)
	for _, key := range keys {
		f.set(t, key, "null")
	}
	n := f.node(t, shared)
	if diff := cmp.Diff(want, readShared(t, n, lead.ID)); diff != "" {
		t.Errorf("with null under each key (-want +got):\n%s", diff)
	}
	for _, key := range keys {
		if value := parse(t, f.get(t, key)); value == nil {
			t.Errorf("%s still holds null", key)
		}
	}

	const other = "16045550000"
	f.set(t, "bici:lead:"+other+":"+defaultOrg, "null")
	if lead, err := n.FindLeadByPhone(t.Context(), other, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Errorf("FindLeadByPhone = %+v, %v, want ErrNotFound", lead, err)
	}
	if value := parse(t, f.get(t, "bici:lead:"+other+":"+defaultOrg)); value != nil {
		t.Errorf("what was not found is %v to the old service, want null", value)
	}
	if made := find(t, n, other); made.PhoneNumberNormalized != other {
		t.Errorf("FindOrCreateLead = %+v, want a new lead", made)
	}
}

// What is none of our rows, or a row of somebody else, is a miss.
func TestForeignJSONIsAMiss(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first := f.node(t, shared)
	lead := f.sharedLead(t, first)
	want := readShared(t, first, lead.ID)
	keys := f.keys(t)
	for _, foreign := range []string{`{}`, `[]x`, `[{}]`, `true`, `17`, `{"leadId":"x","recentMessages":[]}`, `{"id":null}`, `""`, ``, `"`} {
		for _, key := range keys {
			f.set(t, key, foreign)
		}
		if diff := cmp.Diff(want, readShared(t, f.node(t, shared), lead.ID)); diff != "" {
			t.Errorf("with %s under each key (-want +got):\n%s", foreign, diff)
		}
	}
}

// sharedLead returns the lead with the number phone, with all that belongs to
// it.
func (f *fleet) sharedLead(t testing.TB, n *node) leadsvc.Lead {
	t.Helper()
	lead := find(t, n, phone)
	at := time.Date(2026, 5, 1, 12, 0, 0, 987654000, time.UTC)
	changed, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{
		CustomerName: leadsvc.Set("Zoë <3"), BikeInterest: leadsvc.Set(leadsvc.JSON(`{"type":"road","n":[1,null]}`)),
		QualificationData: leadsvc.Null[leadsvc.JSON](), LastContactAt: leadsvc.Set(at),
	})
	if err != nil {
		t.Fatal(err)
	}
	(&scene{fleet: f}).speak(t, lead, "hello")
	return changed
}

// readShared calls every method that reads for a lead with the number phone,
// and returns what it said by kind of key.
func readShared(t testing.TB, n *node, leadID string) map[string]any {
	t.Helper()
	lead, leadErr := n.FindLeadByPhone(t.Context(), phone, defaultOrg)
	organization, organizationErr := n.OrganizationByPhone(t.Context(), phone)
	conversations, conversationsErr := n.Conversations(t.Context(), leadID, 10)
	summaries, summariesErr := n.Summaries(t.Context(), leadID)
	session, sessionErr := n.Session(t.Context(), leadID)
	about, contextErr := n.ConversationContext(t.Context(), leadID)
	greeting, greetingErr := n.Greeting(t.Context(), leadID)
	if err := errors.Join(leadErr, organizationErr, conversationsErr, summariesErr, sessionErr, contextErr, greetingErr); err != nil {
		t.Fatalf("read all of a lead: %v", err)
	}
	return map[string]any{
		"lead": lead, "organization": organization, "conversations": conversations, "summaries": summaries,
		"session": session, "context": about, "greeting": greeting,
	}
}

// set is what the old service does to remember a value.
func (f *fleet) set(t testing.TB, key, value string) {
	t.Helper()
	if err := f.redis.Do(t.Context(), f.redis.B().Set().Key(f.prefix+key).Value(value).ExSeconds(300).Build()).Error(); err != nil {
		t.Fatalf("SET: %v", err)
	}
}

func (f *fleet) get(t testing.TB, key string) []byte {
	t.Helper()
	value, err := f.redis.Do(t.Context(), f.redis.B().Get().Key(f.prefix+key).Build()).AsBytes()
	if err != nil {
		t.Fatalf("GET %s: %v", key, err)
	}
	return value
}

func (f *fleet) del(t testing.TB, key string) {
	t.Helper()
	if err := f.redis.Do(t.Context(), f.redis.B().Del().Key(f.prefix+key).Build()).Error(); err != nil {
		t.Fatalf("DEL: %v", err)
	}
}

// parse reads JSON as a program does that knows nothing of our types. Times,
// which have several spellings, become those of [time.Time].
func parse(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%q is not JSON: %v", data, err)
	}
	return withTimes(v)
}

func withTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			v[name] = withTimes(field)
		}
	case []any:
		for i, element := range v {
			v[i] = withTimes(element)
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return fmt.Sprint(at.UTC())
		}
	}
	return v
}
