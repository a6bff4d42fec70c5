package pg

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
)

// JSON is a JSON document in the one form in which encoding/json would write
// it: no white space, and <, >, & and the Unicode line ends escaped. The form
// is what makes a document equal to itself after it went through a cache. The
// empty JSON stands for null, in the database and in JSON alike.
type JSON string

var errJSON = errors.New("pg: malformed JSON")

// canonical never repeats raw in its error.
func canonical(raw []byte) (JSON, error) {
	var compact, escaped bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", errJSON
	}
	if bytes.Equal(compact.Bytes(), []byte("null")) {
		return "", nil
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return JSON(escaped.String()), nil
}

// isCanonical says of valid JSON whether it is its own canonical form, as what
// this package wrote is. It may say no of what is: 0xe2 begins the line ends,
// and other characters.
func isCanonical(doc []byte) bool {
	quoted := false
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++
		case ' ', '\t', '\n', '\r':
			if !quoted {
				return false
			}
		case '<', '>', '&', 0xe2:
			return false
		}
	}
	return string(doc) != "null"
}

// MarshalJSON embeds the document as it is.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == "" {
		return []byte("null"), nil
	}
	return []byte(j), nil
}

// UnmarshalJSON takes any document. That data is JSON is for the caller to see
// to, as everywhere.
func (j *JSON) UnmarshalJSON(data []byte) (err error) {
	if isCanonical(data) {
		*j = JSON(data)
		return nil
	}
	*j, err = canonical(data)
	return err
}

// Scan takes the text of a json or jsonb column. It is a sql.Scanner.
func (j *JSON) Scan(src any) (err error) {
	switch src := src.(type) {
	case nil:
		*j = ""
	case string:
		*j, err = canonical([]byte(src))
	case []byte:
		*j, err = canonical(src)
	default:
		err = errJSON
	}
	return err
}

// Value gives the document to a json or jsonb column. It is a driver.Valuer.
func (j JSON) Value() (driver.Value, error) {
	if j == "" {
		return nil, nil
	}
	return string(j), nil
}

func (j JSON) valid() bool { return j == "" || json.Valid([]byte(j)) }
