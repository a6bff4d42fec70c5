package leadsvc

import "leadcache/tiered"

// OneLine is what becomes of a text that somebody wrote.
var OneLine = oneLine

// Turns returns how many writes of a lead there are, begun or not. The lead is
// named by its identifier, or, if it is being made, by number and organization.
func Turns(s *Service, lead string) int {
	ts := &s.writer.turns
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byName[lead]; t != nil {
		return t.users
	}
	return 0
}

// TurnNames returns of how many leads there are writes.
func TurnNames(s *Service) int {
	ts := &s.writer.turns
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.byName)
}

// Codec is what turns values into JSON and back.
var Codec tiered.Codec = codec{}
