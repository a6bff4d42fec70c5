package leadsvc

import (
	"encoding/json"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A column says how a field of V stands in JSON.
type column[V any] struct {
	name   string
	read   func(d *jsontext.Decoder, v *V) error
	append func(b []byte, v *V) ([]byte, error) // a comma, the name and the value
}

// newColumn returns the column of a field that write appends.
func newColumn[V any](name string, read func(*jsontext.Decoder, *V) error, write func([]byte, *V) ([]byte, error)) column[V] {
	prefix := `,"` + name + `":`
	return column[V]{name, read, func(b []byte, v *V) ([]byte, error) { return write(append(b, prefix...), v) }}
}

// unless leaves the column out of values for which holds is true.
func (c column[V]) unless(holds func(v *V) bool) column[V] {
	write := c.append
	c.append = func(b []byte, v *V) ([]byte, error) {
		if holds(v) {
			return b, nil
		}
		return write(b, v)
	}
	return c
}

// text is a column that is empty where it is null.
func text[V any, S ~string](name string, field func(*V) *S) column[V] {
	return newColumn(
		name,
		func(d *jsontext.Decoder, v *V) error {
			s, _, err := readText(d)
			*field(v) = S(s)
			return err
		},
		func(b []byte, v *V) ([]byte, error) { return appendText(b, string(*field(v))) },
	)
}

// optionalText is a column that may be null: the bool says that it is not.
func optionalText[V any](name string, field func(*V) (*string, *bool)) column[V] {
	return newColumn(
		name,
		func(d *jsontext.Decoder, v *V) (err error) {
			s, valid := field(v)
			*s, *valid, err = readText(d)
			return err
		},
		func(b []byte, v *V) ([]byte, error) {
			s, valid := field(v)
			if !*valid {
				return append(b, "null"...), nil
			}
			return appendText(b, *s)
		},
	)
}

// document is a column with any JSON.
func document[V any](name string, field func(*V) *JSON) column[V] {
	return newColumn(
		name,
		func(d *jsontext.Decoder, v *V) error {
			value, err := d.ReadValue()
			if err != nil {
				return err
			}
			return field(v).UnmarshalJSON(value)
		},
		func(b []byte, v *V) ([]byte, error) {
			doc := *field(v)
			if doc == "" {
				return append(b, "null"...), nil
			}
			start := len(b)
			b = append(b, doc...)
			if !jsontext.Value(b[start:]).IsValid(decoding) { // it could pass for other columns
				return nil, errForeign
			}
			return b, nil
		},
	)
}

// instant is a column with a time, which is zero where it is null.
func instant[V any](name string, field func(*V) *time.Time) column[V] {
	return newColumn(
		name,
		func(d *jsontext.Decoder, v *V) (err error) {
			*field(v), _, err = readTime(d)
			return err
		},
		func(b []byte, v *V) ([]byte, error) { return appendTime(b, *field(v)) },
	)
}

// optionalInstant is a column with a time that may be null: the bool says that
// it is not.
func optionalInstant[V any](name string, field func(*V) (*time.Time, *bool)) column[V] {
	return newColumn(
		name,
		func(d *jsontext.Decoder, v *V) (err error) {
			t, valid := field(v)
			*t, *valid, err = readTime(d)
			return err
		},
		func(b []byte, v *V) ([]byte, error) {
			t, valid := field(v)
			if !*valid {
				return append(b, "null"...), nil
			}
			return appendTime(b, *t)
		},
	)
}

// readText reads a string or null.
func readText(d *jsontext.Decoder) (s string, valid bool, err error) {
	token, err := d.ReadToken()
	if err != nil {
		return "", false, err
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return "", false, nil
	case jsontext.KindString:
		return token.String(), true, nil
	}
	return "", false, errForeign
}

const noZone = "2006-01-02T15:04:05.999999999"

// readTime reads a time or null. A time is in UTC, the zone of all times that
// the database returns. One without a zone is in UTC too: it comes from a
// column without one.
func readTime(d *jsontext.Decoder) (t time.Time, valid bool, err error) {
	value, err := d.ReadValue()
	if err != nil || value.Kind() == jsontext.KindNull {
		return time.Time{}, false, err
	}
	if value.Kind() != jsontext.KindString {
		return time.Time{}, false, errForeign
	}
	if t.UnmarshalText(value[1:len(value)-1]) == nil { // without an allocation
		return t.UTC(), true, nil
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return time.Time{}, false, err
	}
	t, err = time.Parse(time.RFC3339Nano, string(unquoted))
	if err != nil {
		t, err = time.Parse(noZone, string(unquoted))
	}
	return t.UTC(), err == nil, err
}

// appendText appends s as encoding/json writes it.
func appendText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			quoted, err := json.Marshal(s)
			return append(b, quoted...), err
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), nil
}

// appendTime appends t, or fails if JSON cannot say it.
func appendTime(b []byte, t time.Time) ([]byte, error) {
	b, err := t.AppendText(append(b, '"'))
	return append(b, '"'), err
}
