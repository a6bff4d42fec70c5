package leadsvc

import (
	"context"
	"sync"
)

// A creation is a write that makes a lead, and all callers on this node who
// wait for that lead.
type creation struct {
	*write[Lead]
	waiting int // guarded by creations.mu
	abandon context.CancelFunc
}

// creations are those in progress.
type creations struct {
	mu    sync.Mutex
	byKey map[leadKey]*creation
}

// createLead makes the lead once for all who wait for it on this node; the
// database sees to it that the other nodes get the same one.
func (s *Service) createLead(ctx context.Context, phone string, key leadKey) (Lead, error) {
	if err := ctx.Err(); err != nil {
		return Lead{}, err
	}
	c := s.joinCreation(ctx, phone, key)
	defer s.leaveCreation(key, c)
	return c.wait(ctx)
}

// joinCreation returns the creation for key and begins it if there is none.
// Of ctx it takes the values.
func (s *Service) joinCreation(ctx context.Context, phone string, key leadKey) *creation {
	s.creations.mu.Lock()
	defer s.creations.mu.Unlock()
	c := s.creations.byKey[key]
	if c == nil || c.finished() {
		wanted, abandon := context.WithCancel(context.WithoutCancel(ctx))
		c = &creation{abandon: abandon}
		c.write = start(wanted, s.writer, key.phone.String()+":"+key.org, func(ctx context.Context) (Lead, error) {
			// Every node forgets that there was no such lead: now there is
			// one, or, whatever the error, there may be.
			defer s.invalidate(ctx, s.leads.Target(key))
			lead, _, err := s.db.CreateLead(ctx, key.org, phone, key.phone.String())
			return lead, err
		})
		s.creations.byKey[key] = c
	}
	c.waiting++
	return c
}

// leaveCreation takes one who waits from c. With the last one it is abandoned,
// and whoever comes next begins another.
func (s *Service) leaveCreation(key leadKey, c *creation) {
	s.creations.mu.Lock()
	defer s.creations.mu.Unlock()
	c.waiting--
	if c.waiting > 0 {
		return
	}
	c.abandon()
	if s.creations.byKey[key] == c {
		delete(s.creations.byKey, key)
	}
}
