package leadsvc

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"leadcache/pg"
	"leadcache/tiered"
)

// Service is one node's lead service. Its methods may be called from several
// goroutines. The values they return are the caller's own.
type Service struct {
	redis *tiered.Redis
	db    *pg.DB
	cfg   Config
	caches

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
	s := &Service{redis: rdb, db: db, cfg: cfg, writer: newWriter(db.MaxConns())}
	s.creations.byKey = make(map[leadKey]*creation)
	if err := s.openCaches(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close waits for the writes in progress, some ten seconds at most, and ends
// the reads in progress. It may be called more than once.
func (s *Service) Close() error {
	s.writer.close()
	return s.closeAll()
}

// Stats returns what the cache of each keyspace has done, by its name: lead,
// organization, context, conversations, summaries, session and greeting.
func (s *Service) Stats() map[string]tiered.Stats {
	stats := make(map[string]tiered.Stats)
	for name, c := range s.all {
		stats[name] = c.Stats()
	}
	return stats
}

// warn logs at a limited rate, over all that it is told.
func (s *Service) warn(ctx context.Context, text string, attrs ...slog.Attr) {
	if hidden, ok := s.warnings.pass(time.Now(), warnEvery); ok {
		attrs = append(attrs, slog.Int("not_logged", hidden))
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, text, attrs...)
	}
}
