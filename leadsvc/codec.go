package leadsvc

import (
	"errors"

	"github.com/go-json-experiment/json"

	"leadcache/tiered"
)

// codec is JSON with the names of the columns. What it reads may have been
// written by the old service, from rows as its database gateway gives them:
// with columns unknown here, nulls, and times in any zone or none. What is no
// row, or does not say whose it is, it refuses: {} and null are valid JSON.
//
// It refuses a column that is there twice, for nobody can say which is meant,
// and what is not Unicode, for Postgres has none; a name in another case is
// that of an unknown column. encoding/json takes all three.
type codec struct{}

var _ tiered.Codec = codec{}

// errForeign says nothing of the value, which other errors quote.
var errForeign = errors.New("leadsvc: not a value of this cache")

func (codec) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case Lead:
		return leadRow.marshal(&v)
	case Organization:
		return organizationRow.marshal(&v)
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

func (codec) Unmarshal(data []byte, v any) error {
	var err error
	switch v := v.(type) {
	case *Lead:
		err = leadRow.unmarshal(data, v)
	case *Organization:
		err = organizationRow.unmarshal(data, v)
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
