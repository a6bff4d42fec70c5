package pg_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/pg"
)

// roundTrip fails unless v is v again after it was written as JSON and read.
func roundTrip[T comparable](t *testing.T, v T) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("Marshal(%+v): %v", v, err)
	}
	var got T
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("Unmarshal(%s): %v", data, err)
	}
	if got != v {
		t.Errorf("after JSON: %+v, want %+v", got, v)
	}
}

func TestRowsRoundTripThroughJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC)
	text := pgtype.Text{String: "Ann \"<&>\u2028\t\x7f 🚲", Valid: true}
	opt := pgtype.Timestamptz{Time: at, Valid: true}
	const doc = pg.JSON(`{"a":[1,1.50,1e400,"\u003c"],"b":null}`)

	roundTrip(t, pg.Organization{ID: "o", Name: text.String, PhoneNumber: text, Settings: doc, CreatedAt: at, UpdatedAt: at})
	roundTrip(t, pg.Lead{
		ID: "l", OrganizationID: "o", PhoneNumber: "+1", PhoneNumberNormalized: "1", CustomerName: text,
		Email: pgtype.Text{Valid: true}, Status: pg.StatusHot, Sentiment: pg.SentimentPositive,
		BikeInterest: doc, QualificationData: "[]", CreatedAt: at, UpdatedAt: at, LastContactAt: opt,
	})
	roundTrip(t, pg.Conversation{
		ID: "c", LeadID: "l", PhoneNumberNormalized: text, Content: text.String,
		SentBy: pg.SenderUser, Type: pg.ChannelSMS, Timestamp: at, Metadata: doc,
	})
	roundTrip(t, pg.Summary{ID: "s", SessionID: text, Summary: "", KeyPoints: doc, CreatedAt: at})
	roundTrip(t, pg.CallSession{ID: "s", SessionID: text, CallSID: text, Status: text, StartedAt: at, EndedAt: opt, Metadata: doc})

	roundTrip(t, pg.Organization{})
	roundTrip(t, pg.Lead{})
	roundTrip(t, pg.Conversation{})
	roundTrip(t, pg.Summary{})
	roundTrip(t, pg.CallSession{})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		src  any
		want pg.JSON
	}{
		{nil, ""},
		{"null", ""},
		{` null `, ""},
		{`{}`, `{}`},
		{[]byte(`{ "b": 1.50, "a": [ ] }`), `{"b":1.50,"a":[]}`},
		{"{\"a\": \"<\u2029 b>\"}", `{"a":"\u003c\u2029 b\u003e"}`},
		{`"text"`, `"text"`},
	} {
		var got pg.JSON
		if err := got.Scan(test.src); err != nil || got != test.want {
			t.Errorf("Scan(%s) = %q, %v, want %q", test.src, got, err, test.want)
		}
		roundTrip(t, got)
	}
	for _, bad := range []any{"", "{", "{} {}", 7} {
		var got pg.JSON
		if err := got.Scan(bad); err == nil {
			t.Errorf("Scan(%v) = %q, want an error", bad, got)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,"<\u2028>",null]}`))
	f.Add([]byte("\"\xff\xe2\x80\xa8\""))
	f.Add([]byte(`{"a\\\" b": "c "}`))
	f.Add([]byte(` null `))
	f.Fuzz(func(t *testing.T, data []byte) {
		var j pg.JSON
		if err := j.Scan(data); err != nil {
			return
		}
		roundTrip(t, struct{ J pg.JSON }{j})
		var unmarshaled pg.JSON
		if err := unmarshaled.UnmarshalJSON(data); err != nil || unmarshaled != j {
			t.Errorf("UnmarshalJSON(%q) = %q, %v, Scan says %q", data, unmarshaled, err, j)
		}
	})
}
