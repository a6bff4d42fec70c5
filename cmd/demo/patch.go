package main

import (
	"encoding/json"
	"fmt"
	"io"

	"leadcache/leadsvc"
)

// readChanges reads a JSON object of the columns to change.
func readChanges(body io.Reader) (c leadsvc.LeadChanges, err error) {
	var fields map[string]json.RawMessage
	data, err := io.ReadAll(body)
	if err != nil {
		return c, err
	}
	if json.Unmarshal(data, &fields) != nil || len(fields) == 0 {
		return c, badRequest("want a JSON object of the fields to change")
	}
	for name, raw := range fields {
		switch name {
		case "organization_id":
			err = setField(&c.OrganizationID, raw)
		case "phone_number":
			err = setField(&c.PhoneNumber, raw)
		case "customer_name":
			err = setField(&c.CustomerName, raw)
		case "email":
			err = setField(&c.Email, raw)
		case "status":
			err = setField(&c.Status, raw)
		case "sentiment":
			err = setField(&c.Sentiment, raw)
		case "bike_interest":
			err = setField(&c.BikeInterest, raw)
		case "qualification_data":
			err = setField(&c.QualificationData, raw)
		case "last_contact_at":
			err = setField(&c.LastContactAt, raw)
		default:
			return c, badRequest(fmt.Sprintf("unknown field %q", name))
		}
		if err != nil {
			return c, badRequest(fmt.Sprintf("field %q has the wrong type", name))
		}
	}
	return c, nil
}

func setField[T any](c *leadsvc.Change[T], raw json.RawMessage) error {
	if string(raw) == "null" {
		*c = leadsvc.Null[T]()
		return nil
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*c = leadsvc.Set(v)
	return nil
}
