package leadsvc

import (
	"errors"
	"fmt"

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

	writer    *writer
	creations creations
	warnings  limit
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
	s := &Service{db: db, cfg: cfg, writer: newWriter(db.MaxConns())}
	s.creations.byKey = make(map[leadKey]*creation)
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

// Close waits for the writes in progress, some ten seconds at most, and ends
// the reads in progress. It may be called more than once.
func (s *Service) Close() error {
	s.writer.close()
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
