package main

import (
	"crypto/rand"

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

	Secrets secrets `json:"secrets"`
}

// secrets are what customers' messages and calls are signed with. Each run has
// its own.
type secrets struct {
	ElevenLabs      string `json:"elevenlabs"`       // signs
	ElevenLabsToken string `json:"elevenlabs_token"` // is sent along
	Twilio          string `json:"twilio"`           // signs
	Socket          string `json:"socket"`           // is sent when a line is opened
}

func newSecrets() secrets {
	return secrets{
		ElevenLabs: rand.Text(), ElevenLabsToken: rand.Text(),
		Twilio: rand.Text(), Socket: rand.Text(),
	}
}

// An announcement says that a node serves.
type announcement struct {
	Addr  string `json:"addr"`            // host:port
	Redis string `json:"redis,omitempty"` // why Redis is not connected although it should be
}

// A watchEvent is one of the two lines that GET /watch answers: first that the
// node holds the lead and watches it, then that it saw the expected name.
type watchEvent struct {
	Event  string `json:"event"`            // watchBegun, watchSeen or watchMissed
	Source string `json:"source,omitempty"` // which tier answered before the change

	// Wall clock in nanoseconds: when the last read began that returned the old
	// value, when the one began that saw the change, and when that returned.
	// Between the latter two it had to go past the local tier.
	OldAt   int64 `json:"old_at,omitempty"`
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
