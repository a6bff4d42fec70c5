package leadsvc_test

import (
	"encoding/json"
	"testing"

	"leadcache/leadsvc"
)

// BenchmarkCodec encodes and decodes one lead with the codec of the service,
// and with encoding/json.
func BenchmarkCodec(b *testing.B) {
	want := leadsvc.Lead{
		ID: "b0c1b1c1-0000-0000-0000-000000000002", OrganizationID: "b0c1b1c1-0000-0000-0000-000000000001",
		PhoneNumber: "+17786528784", PhoneNumberNormalized: "17786528784",
		CustomerName: text("Robin Example"), Email: text("robin@example.com"), Status: "contacted", Sentiment: "neutral",
		BikeInterest:      `{"type":"road","budget":{"min":1500,"max":3000},"brand":"any"}`,
		QualificationData: `{"ready_to_buy":false,"timeline":"spring","purchase_intent":0.4}`,
		CreatedAt:         noon, UpdatedAt: noon,
	}
	data, err := json.Marshal(want)
	if err != nil {
		b.Fatal(err)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"leadsvc": leadsvc.Codec{}.Marshal, "encoding-json": json.Marshal} {
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := marshal(want); err != nil || string(got) != string(data) {
					b.Fatalf("%s, %v, want %s", got, err, data)
				}
			}
		})
	}
	reference := func(data []byte, v any) error {
		if !referenceDecode(data, v) {
			b.Fatalf("not a value: %s", data)
		}
		return nil
	}
	for name, unmarshal := range map[string]func([]byte, any) error{"leadsvc": leadsvc.Codec{}.Unmarshal, "encoding-json": reference} {
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var got leadsvc.Lead
				if err := unmarshal(data, &got); err != nil || got != want {
					b.Fatalf("%+v, %v, want %+v", got, err, want)
				}
			}
		})
	}
}
