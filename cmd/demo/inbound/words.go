package inbound

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"leadcache/leadsvc"
)

// inWords returns a JSON document as a prompt can use it: the items of an array
// after each other, the fields of an object by name, both without brackets
// and quotes, in one line. What is null, empty or not JSON is the empty string.
//
//	{"monday":"9 to 5","days":[1,2]}   days: 1, 2; monday: 9 to 5
func inWords(doc leadsvc.JSON) string {
	decoder := json.NewDecoder(strings.NewReader(string(doc)))
	decoder.UseNumber() // as it is written
	var v any
	if err := decoder.Decode(&v); err != nil {
		return ""
	}
	return plain(spell(v))
}

func spell(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		var items []string
		for _, item := range v {
			if words := spell(item); words != "" {
				items = append(items, words)
			}
		}
		return strings.Join(items, ", ")
	case map[string]any:
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if words := spell(v[name]); words != "" {
				fields = append(fields, strings.ReplaceAll(name, "_", " ")+": "+words)
			}
		}
		return strings.Join(fields, "; ")
	default:
		return "" // null
	}
}
