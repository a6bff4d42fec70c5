package leadsvc_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/leadsvc"
)

var noon = time.Date(2024, 5, 1, 12, 0, 0, 123456000, time.UTC)

func text(s string) pgtype.Text { return pgtype.Text{String: s, Valid: true} }

// cached are values of all types that are cached.
func cached() []any {
	return []any{
		leadsvc.Lead{
			ID: "l", OrganizationID: "o", PhoneNumber: "+1", PhoneNumberNormalized: "1", CustomerName: text("<Ann> & \u2028"),
			Email: text(""), Status: leadsvc.StatusHot, Sentiment: leadsvc.SentimentPositive, BikeInterest: `{"a":"\u003cb\u003e"}`,
			CreatedAt: noon, UpdatedAt: noon, LastContactAt: pgtype.Timestamptz{Time: noon, Valid: true},
		},
		leadsvc.Lead{ID: "l", OrganizationID: "o", Status: "new", Sentiment: "neutral", LastContactAt: pgtype.Timestamptz{Valid: true}},
		leadsvc.Organization{ID: "o", Name: "Bici", PhoneNumber: text("+1"), Settings: `[1]`, CreatedAt: noon, UpdatedAt: noon},
		leadsvc.Organization{ID: "o"},
		leadsvc.CallSession{
			ID: "c", OrganizationID: "o", LeadID: "l", SessionID: text("s"), CallSID: text("CA1"), Status: text("ended"),
			StartedAt: noon, EndedAt: pgtype.Timestamptz{Time: noon, Valid: true}, Metadata: `{}`,
		},
		leadsvc.CallSession{ID: "c", LeadID: "l"},
		leadsvc.ConversationContext{
			LeadID: "l", OrganizationID: "o", CustomerName: "Ann", Status: "hot", Sentiment: "neutral",
			BikeInterest: `{"type":"road"}`, LastContactAt: noon, Text: "a\nb",
		},
		leadsvc.ConversationContext{LeadID: "l"},
		[]leadsvc.Conversation{},
		[]leadsvc.Conversation{
			{ID: "m", OrganizationID: "o", LeadID: "l", PhoneNumberNormalized: text("1"), Content: "hi", SentBy: "user", Type: "sms", Timestamp: noon, Metadata: `{}`},
			{ID: "n", LeadID: "l"},
		},
		[]leadsvc.Summary{},
		[]leadsvc.Summary{
			{ID: "s", OrganizationID: "o", LeadID: "l", SessionID: text("x"), Summary: "spoke", KeyPoints: `["a"]`, CreatedAt: noon},
			{ID: "t", LeadID: "l"},
		},
		"Hello",
	}
}

// decode decodes data as a value of the type of like.
func decode(data []byte, like any) (any, error) {
	v := reflect.New(reflect.TypeOf(like))
	err := leadsvc.Codec{}.Unmarshal(data, v.Interface())
	return v.Elem().Interface(), err
}

func TestCodecGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	for _, want := range cached() {
		data, err := leadsvc.Codec{}.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(data, want)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %+v, %v, want %+v", data, got, err, want)
		}
	}
}

// What is JSON and no row, or the row of nobody, is refused.
func TestCodecRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		like any
		in   []string
	}{
		{leadsvc.Lead{}, []string{
			`{"id":"l"}`, `{"organization_id":"o"}`, `{"id":"","organization_id":"o"}`, `{"id":null,"organization_id":"o"}`,
			`{"id":7,"organization_id":"o"}`, `[{"id":"l","organization_id":"o"}]`, `{"id":"l","organization_id":"o"} {}`,
			`{"id":"l","organization_id":"o","created_at":"yesterday"}`, `{"id":"l","organization_id":"o","last_contact_at":5}`,
		}},
		{leadsvc.Organization{}, []string{`{"name":"Bici"}`, `{"id":"o","created_at":""}`}},
		{leadsvc.CallSession{}, []string{`{"id":"c"}`, `{"lead_id":"l"}`, `{"id":"c","lead_id":"l","ended_at":"later"}`}},
		{leadsvc.ConversationContext{}, []string{`{"text":"x"}`, `{"lead_id":""}`}},
		{[]leadsvc.Conversation{}, []string{
			`{}`, `[null]`, `[{}]`, `[{"id":"m","lead_id":"l"},{"id":"n"}]`, `[{"lead_id":"l"}]`, `[{"id":"m","lead_id":"l","timestamp":"x"}]`,
		}},
		{[]leadsvc.Summary{}, []string{`{}`, `[null]`, `[{"id":"s"}]`, `[{"lead_id":"l"}]`}},
		{"", []string{`""`, `{}`, `7`}},
		{0, []string{`7`}}, // no type of a cache
	} {
		for _, in := range append(test.in, ``, `null`, `{}`, `"778`, "\x00\xff", `{"id":"7786528784"`) {
			got, err := decode([]byte(in), test.like)
			if err == nil {
				t.Errorf("%T from %s = %+v, want an error", test.like, in, got)
				continue
			}
			if want := "leadsvc: not a value of this cache"; err.Error() != want {
				t.Errorf("%T from %s: %v, want no more than %q", test.like, in, err, want)
			}
		}
	}
}

// Rows as the database gateway of the old service gives them.
func TestCodecReadsTheOldService(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   string
		want any
	}{
		{
			`{"id": "l", "organization_id": "o", "phone_number": "+1 778", "phone_number_normalized": "1778", "customer_name": null,
				"email": null, "status": null, "sentiment": null, "bike_interest": {"type" : "road"}, "qualification_data": null,
				"created_at": "2024-05-01T12:00:00.123456+00:00", "updated_at": "2024-05-01T05:00:00.123456-07:00",
				"last_contact_at": "2024-05-01T12:00:00.123456", "assigned_to": null, "tags": ["a"], "score": 7}`,
			leadsvc.Lead{
				ID: "l", OrganizationID: "o", PhoneNumber: "+1 778", PhoneNumberNormalized: "1778", Status: "new", Sentiment: "neutral",
				BikeInterest: `{"type":"road"}`, CreatedAt: noon, UpdatedAt: noon, LastContactAt: pgtype.Timestamptz{Time: noon, Valid: true},
			},
		},
		{
			`{"id":"l","organization_id":"o","customer_name":"Ann","status":"hot","sentiment":"positive","created_at":null,
				"updated_at":"2024-05-01T12:00:00","last_contact_at":null}`,
			leadsvc.Lead{
				ID: "l", OrganizationID: "o", CustomerName: text("Ann"), Status: "hot", Sentiment: "positive",
				UpdatedAt: noon.Truncate(time.Second),
			},
		},
		{
			`{"id":"o","name":null,"phone_number":null,"settings":{"business_hours": null},"slug":"bici",
				"created_at":"2024-05-01T12:00:00.123456Z","updated_at":"2024-05-01T12:00:00.123456"}`,
			leadsvc.Organization{ID: "o", Settings: `{"business_hours":null}`, CreatedAt: noon, UpdatedAt: noon},
		},
		{
			`[{"id":"m","organization_id":"o","lead_id":"l","phone_number_normalized":null,"content":"hi","sent_by":"user","type":"sms",
				"timestamp":"2024-05-01T14:00:00.123456+02:00","metadata":null,"elevenlabs_id":null}]`,
			[]leadsvc.Conversation{{
				ID: "m", OrganizationID: "o", LeadID: "l", Content: "hi", SentBy: "user", Type: "sms", Timestamp: noon,
			}},
		},
		{
			`[{"id":"s","lead_id":"l","organization_id":null,"summary":"spoke","key_points":["a", "b"],"created_at":"2024-05-01T12:00:00.123456"}]`,
			[]leadsvc.Summary{{ID: "s", LeadID: "l", Summary: "spoke", KeyPoints: `["a","b"]`, CreatedAt: noon}},
		},
		{
			`{"id":"c","lead_id":"l","organization_id":"o","call_sid":"CA1","started_at":"2024-05-01T12:00:00.123456","ended_at":"2024-05-01T12:00:00.123456+00:00"}`,
			leadsvc.CallSession{
				ID: "c", LeadID: "l", OrganizationID: "o", CallSID: text("CA1"), StartedAt: noon,
				EndedAt: pgtype.Timestamptz{Time: noon, Valid: true},
			},
		},
	} {
		got, err := decode([]byte(test.in), test.want)
		if err != nil || !reflect.DeepEqual(got, test.want) { // == of times, not Equal
			t.Errorf("%T from %s: %v (-want +got)\n%s", test.want, test.in, err, cmp.Diff(test.want, got))
		}
	}
}

// What is taken stays the same on its way through Redis.
func FuzzCodec(f *testing.F) {
	for _, v := range cached() {
		data, err := leadsvc.Codec{}.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"id":"l","organization_id":"o","updated_at":"2024-05-01T12:00:00.123456-07:00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, like := range cached() {
			got, err := decode(data, like)
			if err != nil {
				continue
			}
			again, err := leadsvc.Codec{}.Marshal(got)
			if err != nil {
				continue // a year that only the old service can write: not stored
			}
			if twice, err := decode(again, like); err != nil || !reflect.DeepEqual(twice, got) {
				t.Errorf("%q became %+v, and %s became %+v, %v", data, got, again, twice, err)
			}
		}
	})
}
