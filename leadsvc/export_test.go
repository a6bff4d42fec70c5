package leadsvc

import "context"

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

// Write carries out do as a write of a lead that somebody waits for until ctx
// ends, and returns what that one is told, and when do has returned or will
// never be called.
func Write(ctx context.Context, do func()) (over <-chan struct{}, err error) {
	w := start(ctx, newWriter(1), "lead", func(context.Context) (struct{}, error) { do(); return struct{}{}, nil })
	_, err = w.wait(ctx)
	return w.done, err
}
