package tiered

import "encoding/json"

// A Codec turns values into bytes for Redis and back. It is called from
// several goroutines at once, and must return: its callers wait for it.
// Unmarshal must not keep data, and must refuse what Marshal did not make: such
// a value counts as a miss and is replaced.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
