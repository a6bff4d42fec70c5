package leadsvc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Classification is what a conversation told about a lead.
type Classification struct {
	PurchaseIntent       float64 // 0 to 1
	AppointmentScheduled bool
	Engaged              bool
	Timeline             string // when they want to buy, in their words
}

const (
	hotAbove   = 0.8 // purchase intent of a hot lead
	readyAbove = 0.7 // purchase intent of one who is ready to buy
)

// ClassifyLead changes status and qualification data of a lead to what a
// conversation told about it, and returns the new row. The status is hot if
// the purchase intent is above 0.8, else qualified if there is an appointment,
// else contacted if the lead was engaged, else new, whatever it was before;
// qualification data is replaced as a whole. A purchase intent that is no
// number from 0 to 1, or a timeline that is no text, is [ErrInvalid]. Else it
// does and returns what [Service.UpdateLead] does.
func (s *Service) ClassifyLead(ctx context.Context, leadID string, c Classification) (Lead, error) {
	if err := c.validate(); err != nil {
		return Lead{}, err
	}
	data, err := c.qualification()
	if err != nil {
		return Lead{}, err
	}
	return s.UpdateLead(ctx, leadID, LeadChanges{Status: Set(c.status()), QualificationData: Set(data)})
}

// validate never repeats a value.
func (c Classification) validate() error {
	if !(0 <= c.PurchaseIntent && c.PurchaseIntent <= 1) { // NaN is neither
		return fmt.Errorf("leadsvc: classify lead: purchase_intent: want 0 to 1: %w", ErrInvalid)
	}
	// JSON would replace the one silently, the database refuses the other
	// without saying where it stands.
	if !utf8.ValidString(c.Timeline) || strings.ContainsRune(c.Timeline, 0) {
		return fmt.Errorf("leadsvc: classify lead: timeline: invalid UTF-8 or a NUL: %w", ErrInvalid)
	}
	return nil
}

func (c Classification) status() Status {
	switch {
	case c.PurchaseIntent > hotAbove:
		return StatusHot
	case c.AppointmentScheduled:
		return StatusQualified
	case c.Engaged:
		return StatusContacted
	default:
		return StatusNew
	}
}

// qualification returns what becomes of qualification_data.
func (c Classification) qualification() (JSON, error) {
	data, err := json.Marshal(struct {
		ReadyToBuy        bool    `json:"ready_to_buy"`
		Timeline          string  `json:"timeline"`
		PurchaseIntent    float64 `json:"purchase_intent"`
		ContactPreference string  `json:"contact_preference"`
	}{c.PurchaseIntent > readyAbove, c.Timeline, c.PurchaseIntent, "phone"})
	return JSON(data), err
}
