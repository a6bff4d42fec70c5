package leadsvc_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
)

// The codec writes byte for byte what encoding/json writes.
func TestCodecWritesWhatEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	odd := "\x00\x1f\x7f\"\\/<&>\b\f\n\r\t é\u2028\u2029\ufffd🚲 \xff\xed\xa0\x80 \xe2\x80"
	for _, v := range append(
		cached(),
		leadsvc.Lead{ID: odd, CustomerName: text(odd)}, leadsvc.ConversationContext{Text: odd}, odd,
		[]leadsvc.Conversation(nil), []leadsvc.Summary(nil),
	) {
		got, err := leadsvc.Codec{}.Marshal(v)
		want, wantErr := json.Marshal(v)
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("Marshal(%+v) = %s, %v, want %s, %v", v, got, err, want, wantErr)
		}
	}
}

// What could pass for something else when it is read is not written.
func TestCodecDoesNotWrite(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		leadsvc.Lead{BikeInterest: `{`},
		leadsvc.Lead{BikeInterest: `1,"id":"another"`},
		leadsvc.Lead{BikeInterest: "\"\xff\""},
		leadsvc.Lead{CreatedAt: noon.AddDate(8000, 0, 0)},
		[]leadsvc.Conversation{{Metadata: `}`}},
		&leadsvc.Lead{BikeInterest: `{`},
		(*leadsvc.Lead)(nil), (*leadsvc.Organization)(nil),
		&leadsvc.CallSession{}, 7, nil, // no types of a cache
	} {
		if data, err := (leadsvc.Codec{}).Marshal(v); err == nil {
			t.Errorf("Marshal(%+v) = %s, want an error", v, data)
		}
	}
}

// The codec refuses what it takes for foreign and encoding/json does not.
func TestCodecIsStricterThanEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{"id":"l","id":"l","organization_id":"o"}`,
		`{"id":"l","organization_id":"o","email":null,"\u0065mail":"a"}`,
		`{"ID":"l","organization_id":"o"}`,
		`{"id":"l","Organization_id":"o"}`,
		"{\"id\":\"\xff\",\"organization_id\":\"o\"}",
		"{\"id\":\"l\",\"organization_id\":\"o\",\"\xff\":1}",
		`{"id":"l","organization_id":"o","email":"\ud83d"}`,
		`{"id":"l","organization_id":"o","bike_interest":"\ud83d"}`,
	} {
		var lead leadsvc.Lead
		if !referenceDecode([]byte(in), &lead) {
			t.Errorf("encoding/json refuses %s", in)
		}
		if !deviates([]byte(in), lead) {
			t.Errorf("deviates(%s) = false, want true", in)
		}
		if got, err := decode([]byte(in), lead); err == nil || got != (leadsvc.Lead{}) {
			t.Errorf("%s = %+v, %v, want an error", in, got, err)
		}
	}
}

// deviates says whether data is JSON that the codec may read in another way
// than encoding/json: it is not Unicode, or a column is there twice or in
// another case.
func deviates(data []byte, like any) bool {
	twice := jsontext.AllowDuplicateNames(true)
	if !jsontext.Value(data).IsValid(twice) {
		return json.Valid(data)
	}
	row := reflect.TypeOf(like)
	depth := 1
	if row.Kind() == reflect.Slice {
		row, depth = row.Elem(), 2
	}
	if row.Kind() != reflect.Struct {
		return false
	}
	d := jsontext.NewDecoder(strings.NewReader(string(data)), twice)
	seen := map[string]bool{}
	for {
		token, err := d.ReadToken()
		if err != nil {
			return false
		}
		kind, n := d.StackIndex(d.StackDepth())
		switch {
		case d.StackDepth() != depth || kind != '{':
		case token.Kind() == '{':
			clear(seen)
		case n%2 == 1 && token.Kind() == '"':
			name := token.String()
			for field := range row.Fields() {
				column, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				if strings.EqualFold(column, name) && (column != name || seen[name]) {
					return true
				}
			}
			seen[name] = true
		}
	}
}

// Unless the bytes deviate, the codec takes them or not, and makes of them and
// of what comes out, the same as encoding/json.
func FuzzCodecIsEncodingJSON(f *testing.F) {
	for _, v := range cached() {
		data, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, value := range oldValues() {
		f.Add([]byte(value))
	}
	f.Add([]byte(`{"i\u0064":"l","organization_id":"o","created_at":"2024-05-01T12:00:00.123456-07:00","x":[{"id":1,"id":2}]}`))
	f.Add([]byte(`{"organization_id":"o","id":"l","created_at":"2024-05-0\u0031T12:00:00,5Z","updated_at":"0000-01-01T00:00:00+23:59"} `))
	f.Add([]byte(`{"id":"l","organization_id":"o","bike_interest":{"a":1,"a": "<\u2028"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, like := range cached() {
			want := reflect.New(reflect.TypeOf(like))
			wantOK := referenceDecode(data, want.Interface())
			got, err := decode(data, like)
			if deviates(data, like) {
				continue
			}
			if (err == nil) != wantOK {
				t.Fatalf("%T from %q = %+v, %v, encoding/json says %+v, %v", like, data, got, err, want.Elem(), wantOK)
			}
			if err != nil {
				continue
			}
			if !reflect.DeepEqual(got, want.Elem().Interface()) { // == of times, not Equal
				t.Fatalf("%T from %q (-want +got):\n%s", like, data, cmp.Diff(want.Elem().Interface(), got))
			}
			again, err := leadsvc.Codec{}.Marshal(got)
			if err != nil {
				continue // a year that only the old service can write: not stored
			}
			if wantAgain, err := json.Marshal(got); err != nil || string(again) != string(wantAgain) {
				t.Fatalf("Marshal(%+v) = %s, want %s, %v", got, again, wantAgain, err)
			}
		}
	})
}
