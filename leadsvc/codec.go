package leadsvc

import (
	"errors"

	"github.com/go-json-experiment/json"

	"leadcache/tiered"
)

// Codec is how a [Service] keeps values in Redis. It is exported for other Go
// programs that read and write those: as [tiered.Options.Codec], or by itself.
//
// It is JSON with the names of the columns, the same bytes that encoding/json
// makes, of these types: [Lead], which is pg.Lead, and [Organization], by value
// or behind a pointer; [CallSession] and [ConversationContext]; lists of
// [Conversation] and [Summary]; and string, for greetings. All others it
// refuses. It knows the columns and appends one after the other, where
// encoding/json reflects.
//
// What it reads may have been written by the old service, from rows as its
// database gateway gives them: with columns unknown here, nulls, and times in
// any zone or none. What is no row, or does not say whose it is, it refuses: {}
// and null are valid JSON. It does not check that a row is the one its key
// finds; the methods of Service do.
//
// It refuses a column that is there twice, for nobody can say which is meant,
// and what is not Unicode, for Postgres has none; a name in another case is
// that of an unknown column. encoding/json takes all three. Nor does it write
// what it would not read as it was: a [JSON] that is none.
//
// A cache shares the frames of the service only if it is one of the same type,
// which is *Lead for leads and *Organization for organizations. With
// [Config.PlainJSON] there are no frames.
type Codec struct{}

var _ tiered.Codec = Codec{}

// errForeign says nothing of the value, which other errors quote.
var errForeign = errors.New("leadsvc: not a value of this cache")

// Marshal implements [tiered.Codec]. A nil pointer is an error.
func (Codec) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case Lead:
		return leadRow.marshal(&v)
	case *Lead:
		return leadRow.marshal(v)
	case Organization:
		return organizationRow.marshal(&v)
	case *Organization:
		return organizationRow.marshal(v)
	case CallSession:
		return callSessionRow.marshal(&v)
	case ConversationContext:
		return contextRow.marshal(&v)
	case []Conversation:
		return conversationRow.marshalAll(v)
	case []Summary:
		return summaryRow.marshalAll(v)
	case string:
		return appendText(nil, v)
	}
	return nil, errForeign
}

// Unmarshal implements [tiered.Codec]: v points to one of the types. The error
// says nothing of the data.
func (Codec) Unmarshal(data []byte, v any) error {
	var err error
	switch v := v.(type) {
	case *Lead:
		err = leadRow.unmarshal(data, v)
	case **Lead:
		*v, err = leadRow.unmarshalNew(data)
	case *Organization:
		err = organizationRow.unmarshal(data, v)
	case **Organization:
		*v, err = organizationRow.unmarshalNew(data)
	case *CallSession:
		err = callSessionRow.unmarshal(data, v)
	case *ConversationContext:
		err = contextRow.unmarshal(data, v)
	case *[]Conversation:
		err = conversationRow.unmarshalAll(data, v)
	case *[]Summary:
		err = summaryRow.unmarshalAll(data, v)
	case *string:
		if err = json.Unmarshal(data, v); *v == "" {
			err = errForeign
		}
	default:
		err = errForeign
	}
	if err != nil {
		return errForeign
	}
	return nil
}
