package leadsvc

import (
	"bytes"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A row says how values of type V stand in JSON. That the columns are listed
// here, and not found by reflection, is what makes it fast: a lead that is read
// from Redis is decoded each time. The types have no methods that do it, for a
// type that embeds one would get them and lose its own fields.
type row[V any] struct {
	columns  []column[V]     // at most 64
	complete func(v *V) bool // says whether v is a value, and fills in what may be null
}

func (r row[V]) marshal(v *V) ([]byte, error) {
	if v == nil { // null would not be read again
		return nil, errForeign
	}
	return r.append(make([]byte, 0, 640), v) // enough for most leads
}

func (r row[V]) marshalAll(values []V) ([]byte, error) {
	if values == nil {
		return []byte("null"), nil
	}
	b := []byte{'['}
	for i := range values {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = r.append(b, &values[i]); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (r row[V]) append(b []byte, v *V) ([]byte, error) {
	start := len(b)
	for _, c := range r.columns {
		var err error
		if b, err = c.append(b, v); err != nil {
			return nil, err
		}
	}
	b[start] = '{' // in place of the comma of the first column
	return append(b, '}'), nil
}

// unmarshal makes v what data says, or zero if it returns an error.
func (r row[V]) unmarshal(data []byte, v *V) error {
	var none V
	*v = none
	err := decode(data, func(d *jsontext.Decoder) error { return r.read(d, v) })
	if err != nil {
		*v = none
	}
	return err
}

// unmarshalNew returns what data says, or nil with an error.
func (r row[V]) unmarshalNew(data []byte) (*V, error) {
	v := new(V)
	if err := r.unmarshal(data, v); err != nil {
		return nil, err
	}
	return v, nil
}

// unmarshalAll is unmarshal for a list; one that is not whole is none at all.
func (r row[V]) unmarshalAll(data []byte, values *[]V) error {
	all := []V{}
	err := decode(data, func(d *jsontext.Decoder) error {
		if err := expect(d, jsontext.KindBeginArray); err != nil {
			return err
		}
		for d.PeekKind() == jsontext.KindBeginObject {
			var none V
			all = append(all, none)
			if err := r.read(d, &all[len(all)-1]); err != nil {
				return err
			}
		}
		return expect(d, jsontext.KindEndArray)
	})
	if err != nil {
		all = nil
	}
	*values = all
	return err
}

func (r row[V]) read(d *jsontext.Decoder, v *V) error {
	if err := expect(d, jsontext.KindBeginObject); err != nil {
		return err
	}
	var seen uint64 // a bit for each column
	next := 0       // the column that comes next, if this program wrote the row
	for d.PeekKind() == jsontext.KindString {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		i, known := r.find(name, next)
		switch {
		case !known:
			err = d.SkipValue()
		case seen>>i&1 != 0:
			err = errForeign
		default:
			seen |= 1 << i
			next = i + 1
			err = r.columns[i].read(d, v)
		}
		if err != nil {
			return err
		}
	}
	if err := expect(d, jsontext.KindEndObject); err != nil {
		return err
	}
	if !r.complete(v) {
		return errForeign
	}
	return nil
}

// find returns the column with that name, which is in quotes. It looks at the
// one with number next first.
func (r row[V]) find(quoted jsontext.Value, next int) (int, bool) {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(nil, quoted) // which the decoder has checked
	}
	if next < len(r.columns) && r.columns[next].name == string(name) {
		return next, true
	}
	for i := range r.columns {
		if r.columns[i].name == string(name) {
			return i, true
		}
	}
	return 0, false
}

// expect reads a brace or a bracket.
func expect(d *jsontext.Decoder, kind jsontext.Kind) error {
	token, err := d.ReadToken()
	if err == nil && token.Kind() != kind {
		err = errForeign
	}
	return err
}

// A source is a decoder and what it reads from.
type source struct {
	decoder jsontext.Decoder
	buffer  bytes.Buffer
}

var sources = sync.Pool{New: func() any { return new(source) }}

// A document may have a name twice: the type json of Postgres lets it. That a
// row has a column once is seen to here.
var decoding = jsontext.AllowDuplicateNames(true)

// decode calls read, and fails if that leaves anything of data but white space.
func decode(data []byte, read func(*jsontext.Decoder) error) error {
	s := sources.Get().(*source)
	defer func() {
		s.buffer = bytes.Buffer{} // so that it does not keep data
		s.decoder.Reset(&s.buffer)
		sources.Put(s)
	}()
	s.buffer = *bytes.NewBuffer(data)
	s.decoder.Reset(&s.buffer, decoding)
	if err := read(&s.decoder); err != nil {
		return err
	}
	if _, err := s.decoder.ReadToken(); err != io.EOF { //nolint:errorlint // the decoder returns it as it is
		return errForeign
	}
	return nil
}
