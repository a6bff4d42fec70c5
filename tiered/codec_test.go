package tiered

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// Programs of both kinds may share values: those that use encoding/json of any
// Go, and this package.
func TestTheDefaultCodecIsEncodingJSON(t *testing.T) {
	t.Parallel()
	type inner struct {
		A int `json:"a,omitempty"`
	}
	type value struct {
		inner
		Name    string `json:"name"`
		At      time.Time
		For     time.Duration
		Bytes   []byte
		Array   [2]byte
		None    []int
		Nothing map[string]int
		Map     map[string]any
		Raw     json.RawMessage
		Number  float64
		Pointer *inner `json:",omitempty"`
		Quoted  int64  `json:",string"`
	}
	for _, want := range []value{
		{Raw: json.RawMessage("null")},
		{
			inner: inner{7}, Name: "<é&\u2028\"\\\n>", At: time.Date(2024, 5, 1, 12, 0, 0, 1000, time.UTC), For: time.Second,
			Bytes: []byte{1, 255}, Array: [2]byte{3, 4}, None: []int{}, Nothing: map[string]int{},
			Map: map[string]any{"b": 1.5, "a": nil, "c": []any{true, "x"}}, Raw: json.RawMessage(`{"a":1,"a":2}`),
			Number: 1e21, Pointer: &inner{}, Quoted: 9,
		},
	} {
		data, err := jsonCodec{}.Marshal(want)
		other, otherErr := json.Marshal(want)
		if err != nil || otherErr != nil || string(data) != string(other) {
			t.Errorf("Marshal = %s, %v, encoding/json says %s, %v", data, err, other, otherErr)
		}
		var got value
		if err := (jsonCodec{}).Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Unmarshal(%s) = %+v, %v, want %+v", data, got, err, want)
		}
	}
	for _, foreign := range []string{``, `{`, `{} {}`, `[]`, `{"name":7}`, `{"Quoted":9}`, "\x00"} {
		if err := (jsonCodec{}).Unmarshal([]byte(foreign), new(value)); err == nil {
			t.Errorf("Unmarshal(%q) is no error", foreign)
		}
	}
	for _, lax := range []string{"{\"name\":\"\xff\"}", `{"NAME":"a","name":"b"}`, `{"unknown":1}`} {
		var got, want value
		err, wantErr := jsonCodec{}.Unmarshal([]byte(lax), &got), json.Unmarshal([]byte(lax), &want)
		if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Unmarshal(%q) = %+v, %v, encoding/json says %+v, %v", lax, got, err, want, wantErr)
		}
	}
}
