package bench

import (
	"encoding/json"
	"testing"

	ours "github.com/go-json-experiment/json/v1"

	"leadcache/pg"
)

// BenchmarkCodec encodes and decodes one lead as a cache without a codec of its
// own does, and with encoding/json as this Go has it. That of leadsvc: see
// BenchmarkCodec there.
func BenchmarkCodec(b *testing.B) {
	want := lead(keyOf(2))
	for _, codec := range []struct {
		name      string
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
	}{
		{"default", ours.Marshal, ours.Unmarshal},
		{"encoding-json", json.Marshal, json.Unmarshal},
	} {
		data, err := codec.marshal(want)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+codec.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := codec.marshal(want); err != nil || len(got) != len(data) {
					b.Fatalf("%s, %v, want %s", got, err, data)
				}
			}
		})
		b.Run("decode/"+codec.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var got pg.Lead
				if err := codec.unmarshal(data, &got); err != nil || got != want {
					b.Fatalf("%+v, %v, want %+v", got, err, want)
				}
			}
		})
	}
}
