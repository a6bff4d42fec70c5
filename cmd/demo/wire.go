package main

import (
	"leadcache/tiered"
)

// What parent and nodes say to each other. The parent gives a node its
// nodeConfig as the first line on standard input, the node answers with its
// announcement on standard output, and all else is HTTP.

// A nodeConfig is what a node needs to know. It does not travel as arguments
// or environment, where other users of the machine could read the secrets.
type nodeConfig struct {
	Index        int    `json:"index"` // counts from 1
	RedisEnabled bool   `json:"redis_enabled"`
	RedisURL     string `json:"redis_url"`
	Prefix       string `json:"prefix"`
	DatabaseURL  string `json:"database_url"`
}

// An announcement says that a node serves.
type announcement struct {
	Addr  string `json:"addr"`            // host:port
	Redis string `json:"redis,omitempty"` // why Redis is not connected although it should be
}

// An inbound is one text message, as a carrier hands it to GET /ws/sms.
type inbound struct {
	ID   string `json:"id"`
	From string `json:"from"`
	To   string `json:"to"`
	Body string `json:"body"`
}

// An answer follows every inbound message. With Error set nothing else but ID
// holds.
type answer struct {
	ID               string `json:"id"`
	Error            string `json:"error,omitempty"`
	OrganizationID   string `json:"organization_id,omitempty"`
	OrganizationName string `json:"organization_name,omitempty"`
	LeadID           string `json:"lead_id,omitempty"`
	LeadStatus       string `json:"lead_status,omitempty"`
	CustomerName     string `json:"customer_name,omitempty"`
	Reply            string `json:"reply,omitempty"`
	Source           string `json:"source,omitempty"`    // the slowest tier that the two look-ups asked
	LookupNS         int64  `json:"lookup_ns,omitempty"` // time of the two look-ups

	// AckedAt is the wall clock in nanoseconds when the look-ups returned: a
	// new lead has been announced to the other nodes.
	AckedAt int64 `json:"acked_at,omitempty"`
}

// A watchEvent is one of the two lines that GET /watch answers: first that the
// node holds the lead and watches it, then that it saw the expected name.
type watchEvent struct {
	Event  string `json:"event"`            // watchBegun, watchSeen or watchMissed
	Source string `json:"source,omitempty"` // which tier answered before the change

	// Wall clock in nanoseconds, when the read that saw the change began, and
	// when it returned. Between the two it had to go past the local tier.
	AskedAt int64 `json:"asked_at,omitempty"`
	SeenAt  int64 `json:"seen_at,omitempty"`
}

const (
	watchBegun  = "watching"
	watchSeen   = "seen"
	watchMissed = "missed"
)

// watchReads counts the reads of watch loops, by the tier that answered. They
// are of no traffic and are left out of the table.
type watchReads struct {
	Local  uint64 `json:"local"`
	Redis  uint64 `json:"redis"`
	Loader uint64 `json:"loader"`
}

// nodeStats is what GET /stats answers.
type nodeStats struct {
	Keyspaces map[string]tiered.Stats `json:"keyspaces"`
	Watch     watchReads              `json:"watch"`
	Queries   uint64                  `json:"queries"` // sent to Postgres
	Redis     redisState              `json:"redis"`
}

// redisState is tiered.RedisStatus with an error that survives JSON.
type redisState struct {
	Enabled   bool   `json:"enabled"`
	Connected bool   `json:"connected"`
	Tracking  bool   `json:"tracking"`
	Error     string `json:"error,omitempty"`
}

func stateOf(s tiered.RedisStatus) redisState {
	state := redisState{Enabled: s.Enabled, Connected: s.Connected, Tracking: s.Tracking}
	if s.Err != nil {
		state.Error = s.Err.Error()
	}
	return state
}
