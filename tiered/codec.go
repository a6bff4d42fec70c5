package tiered

import "github.com/go-json-experiment/json/v1"

// A Codec turns values into bytes for Redis and back. It is called from
// several goroutines at once, and must return: its callers wait for it.
// Unmarshal must not keep data, and must refuse what Marshal did not make: such
// a value counts as a miss and is replaced.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// jsonCodec is encoding/json as it is from Go 1.27 on, which decodes in half
// the time; with that Go, the package is encoding/json. It takes and writes
// what encoding/json always did: invalid UTF-8, names twice or in another case.
// To refuse them here would be to write values that are then refused, for a
// MarshalJSON can write them, and what a program in another language writes is
// its own affair.
type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
