package main

import (
	"errors"
	"net/http"
	"regexp"
	"time"

	"leadcache/tiered"
)

// An endpoint is one of the ways into a node, by the name that the table has
// for it.
type endpoint string

const (
	socketText  endpoint = "text over WebSocket"
	webhookText endpoint = "SMS webhook"
	webhookCall endpoint = "voice webhook"
	leadRead    endpoint = "read of a lead"
	historyRead endpoint = "read of its last messages"
	leadUpdate  endpoint = "update of a lead"
)

// endpoints are all of them, in the order of the table.
var endpoints = []endpoint{socketText, webhookText, webhookCall, leadRead, historyRead, leadUpdate}

// A lookup tells what a node did before it answered.
type lookup struct {
	source tiered.Source // the slowest tier asked
	took   time.Duration
}

// lookupTime is how Server-Timing tells the time of the look-ups, in
// milliseconds.
var lookupTime = regexp.MustCompile(`(?:^|,)\s*lookup;dur=([0-9]+(?:\.[0-9]+)?)`)

// readLookup reads what the header of an answer tells of its look-ups.
func readLookup(h http.Header) (lookup, error) {
	source, ok := parseSource(h.Get("Cache-Source"))
	if !ok {
		return lookup{}, errors.New("no Cache-Source")
	}
	match := lookupTime.FindStringSubmatch(h.Get("Server-Timing"))
	if match == nil {
		return lookup{}, errors.New("no Server-Timing of the look-ups")
	}
	took, err := time.ParseDuration(match[1] + "ms")
	return lookup{source, took}, err
}

func parseSource(name string) (tiered.Source, bool) {
	for _, s := range []tiered.Source{tiered.SourceLocal, tiered.SourceRedis, tiered.SourceLoader} {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}
