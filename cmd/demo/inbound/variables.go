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
// is missing. What is unknown is empty. All but the context, which has lines of
// its own making, stand in one line.
type variables struct {
	CustomerKnown bool   `json:"customer_known"` // false for a caller without a number
	CustomerName  string `json:"customer_name"`
	CustomerPhone string `json:"customer_phone"` // as the call has it, of a URI the user
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

	// DataIsStale says that what stands above may be older than the database.
	DataIsStale bool `json:"data_is_stale"`

	IsOutbound     bool   `json:"is_outbound"`
	ConversationID string `json:"conversation_id"`
	CallSID        string `json:"call_sid"`
	AgentID        string `json:"agent_id"`
}

// variablesOf returns what can be said to a stranger.
func variablesOf(c call, o leadsvc.Organization) variables {
	settings := settingsOf(o)
	v := variables{
		OrganizationID:       o.ID,
		OrganizationName:     plainName(o.Name),
		OrganizationPhone:    plain(o.PhoneNumber.String),
		OrganizationLocation: inWords(settings.Location),
		OrganizationServices: inWords(settings.Services),
		BusinessHours:        inWords(settings.BusinessHours),
		IsOutbound:           c.outbound(),
		ConversationID:       c.ConversationID,
		CallSID:              c.CallSID,
		AgentID:              c.AgentID,
	}
	v.DynamicGreeting = v.greeting()
	return v
}

func (v *variables) setLead(phone string, l leadsvc.Lead) {
	v.CustomerKnown = true
	v.CustomerName = plainName(l.CustomerName.String)
	v.CustomerPhone = plain(phone)
	v.CustomerEmail = plain(l.Email.String)
	v.LeadID = l.ID
	v.LeadStatus = string(l.Status)
	v.Sentiment = string(l.Sentiment)
	v.BikeInterest = inWords(l.BikeInterest)
	v.Qualification = inWords(l.QualificationData)
	v.DynamicGreeting = v.greeting()
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

// greeting returns a sentence to begin with that needs no look-up.
func (v variables) greeting() string {
	hello := "Hello"
	if v.CustomerName != "" {
		hello += " " + v.CustomerName
	}
	switch {
	case v.IsOutbound && v.OrganizationName != "":
		return hello + ", this is " + v.OrganizationName + " calling. Is this a good time to talk?"
	case v.IsOutbound:
		return hello + ", is this a good time to talk?"
	case v.OrganizationName != "":
		return hello + ", thanks for calling " + v.OrganizationName + ". How can I help you today?"
	default:
		return hello + ", thanks for calling. How can I help you today?"
	}
}
