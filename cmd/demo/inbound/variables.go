package inbound

import (
	"encoding/json"

	"leadcache/leadsvc"
)

// initiation is the answer to a call.
type initiation struct {
	Type      string    `json:"type"`
	Variables variables `json:"dynamic_variables"`
}

// variables are what a prompt of the voice agent may use, as {{name}}. They
// are strings and booleans, as ElevenLabs takes nothing nested, and all of them
// are always there, as it starts no conversation whose prompt names one that
// is missing. What is unknown is empty.
type variables struct {
	CustomerKnown bool   `json:"customer_known"` // false for a caller without a number
	CustomerName  string `json:"customer_name"`
	CustomerPhone string `json:"customer_phone"` // as the call has it
	CustomerEmail string `json:"customer_email"`
	LeadID        string `json:"lead_id"`
	LeadStatus    string `json:"lead_status"`
	Sentiment     string `json:"sentiment"`
	BikeInterest  string `json:"bike_interest"`
	Qualification string `json:"qualification"`

	OrganizationID       string `json:"organization_id"`
	OrganizationName     string `json:"organization_name"`
	OrganizationPhone    string `json:"organization_phone"`
	OrganizationLocation string `json:"organization_location"`
	OrganizationServices string `json:"organization_services"`
	BusinessHours        string `json:"business_hours"`

	ConversationContext string `json:"conversation_context"`
	DynamicGreeting     string `json:"dynamic_greeting"`

	IsOutbound     bool   `json:"is_outbound"`
	ConversationID string `json:"conversation_id"`
	CallSID        string `json:"call_sid"`
	AgentID        string `json:"agent_id"`
}

// variablesOf returns what can be said to a stranger.
func variablesOf(c call, o leadsvc.Organization) variables {
	settings := settingsOf(o)
	return variables{
		OrganizationID:       o.ID,
		OrganizationName:     o.Name,
		OrganizationPhone:    o.PhoneNumber.String,
		OrganizationLocation: inWords(settings.Location),
		OrganizationServices: inWords(settings.Services),
		BusinessHours:        inWords(settings.BusinessHours),
		DynamicGreeting:      generalGreeting(c, o),
		IsOutbound:           c.outbound(),
		ConversationID:       c.ConversationID,
		CallSID:              c.CallSID,
		AgentID:              c.AgentID,
	}
}

func (v *variables) setLead(phone string, l leadsvc.Lead) {
	v.CustomerKnown = true
	v.CustomerName = l.CustomerName.String
	v.CustomerPhone = phone
	v.CustomerEmail = l.Email.String
	v.LeadID = l.ID
	v.LeadStatus = string(l.Status)
	v.Sentiment = string(l.Sentiment)
	v.BikeInterest = inWords(l.BikeInterest)
	v.Qualification = inWords(l.QualificationData)
}

// settings are those of an organization's that a voice agent speaks of.
type settings struct {
	BusinessHours leadsvc.JSON `json:"business_hours"`
	Location      leadsvc.JSON `json:"location"`
	Services      leadsvc.JSON `json:"services"`
}

// settingsOf returns none where the settings are no object: a call must not
// fail for that.
func settingsOf(o leadsvc.Organization) (s settings) {
	if err := json.Unmarshal([]byte(o.Settings), &s); err != nil {
		return settings{}
	}
	return s
}

// generalGreeting is for those of whom nothing is known.
func generalGreeting(c call, o leadsvc.Organization) string {
	switch {
	case c.outbound() && o.Name != "":
		return "Hello, this is " + o.Name + " calling. Is this a good time to talk?"
	case c.outbound():
		return "Hello, is this a good time to talk?"
	case o.Name != "":
		return "Hello, thanks for calling " + o.Name + ". How can I help you today?"
	default:
		return "Hello, thanks for calling. How can I help you today?"
	}
}
