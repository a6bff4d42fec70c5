package leadsvc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"leadcache/pg"
	"leadcache/tiered"
)

// Service is one node's lead service. Its methods may be called from several
// goroutines.
type Service struct {
	db  *pg.DB
	cfg Config

	leads         *tiered.Cache[leadKey, Lead]
	organizations *tiered.Cache[string, Organization]

	creations singleflight.Group // by lead key
	warnings  limit

	mu     sync.Mutex // guards closed, and adding to writes
	closed bool
	writes sync.WaitGroup
}

// New returns a service on a link to Redis and a database, which stay the
// caller's to close, after the service. A Redis serves one service. The error
// names the fields of cfg that are wrong.
func New(rdb *tiered.Redis, db *pg.DB, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if rdb == nil || db == nil {
		return nil, errors.New("leadsvc: New without a Redis or without a database")
	}
	s := &Service{db: db, cfg: cfg}
	var err error
	s.leads, err = tiered.New(rdb, leadKeyspace(cfg.LeadKeyPrefix), tiered.LoaderFunc[leadKey, Lead](s.loadLead),
		tiered.Options{TTL: cfg.LeadTTL, AbsentTTL: cfg.NotFoundTTL, LocalEntries: cfg.LocalEntries})
	if err != nil {
		return nil, fmt.Errorf("leadsvc: %w", err)
	}
	s.organizations, err = tiered.New(rdb, organizationKeyspace(), tiered.LoaderFunc[string, Organization](s.loadOrganization),
		tiered.Options{TTL: cfg.OrganizationTTL, LocalEntries: cfg.LocalEntries})
	if err != nil {
		s.leads.Close()
		return nil, fmt.Errorf("leadsvc: %w", err)
	}
	return s, nil
}

// Close waits for the writes in progress, ten seconds at most, and ends the
// reads in progress. It may be called more than once.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.writes.Wait()
	return errors.Join(s.leads.Close(), s.organizations.Close())
}

// Stats returns what the cache of each keyspace has done, by its name: "lead"
// and "organization".
func (s *Service) Stats() map[string]tiered.Stats {
	return map[string]tiered.Stats{
		"lead":         s.leads.Stats(),
		"organization": s.organizations.Stats(),
	}
}

// writeTimeout bounds a write whose caller may have left. It is that of a load.
const writeTimeout = 10 * time.Second

// beginWrite returns the context of a write, which ends neither with ctx nor
// with Close: a row that was changed must be invalidated. The write calls end
// when it is done.
func (s *Service) beginWrite(ctx context.Context) (_ context.Context, end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	s.writes.Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	return ctx, func() { cancel(); s.writes.Done() }, nil
}

// write carries out a write, and waits for it no longer than ctx.
func write[T any](ctx context.Context, s *Service, do func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	writeCtx, end, err := s.beginWrite(ctx)
	if err != nil {
		return none, err
	}
	done := make(chan outcome, 1)
	go func() {
		defer end()
		value, err := do(writeCtx)
		done <- outcome{value, err}
	}()
	select {
	case out := <-done:
		return out.value, out.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
