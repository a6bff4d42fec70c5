package leadsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"leadcache/tiered"
)

// caches hold what is remembered, each kind by a name of its own. Leads and
// organizations are large and asked for with each message: so their values are
// pointers, shared and not to be modified, and the methods that return one to a
// caller copy it there, once.
type caches struct {
	leads         *tiered.Cache[leadKey, *Lead]
	organizations *tiered.Cache[string, *Organization]
	contexts      *tiered.Cache[string, ConversationContext]
	conversations *tiered.Cache[conversationsKey, []Conversation]
	summaries     *tiered.Cache[string, []Summary]
	sessions      *tiered.Cache[string, CallSession]
	greetings     *tiered.Cache[string, string]

	all map[string]anyCache // by the name of the keyspace
}

// pointer returns what a loader of pointers returns.
func pointer[V any](v V, err error) (*V, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// anyCache is a tiered.Cache of whatever kind.
type anyCache interface {
	Stats() tiered.Stats
	Close() error
}

// openCaches makes the caches of s, or none.
func (s *Service) openCaches() error {
	o := opener{redis: s.redis, cfg: s.cfg, all: make(map[string]anyCache)}
	c := &s.caches
	lists := max(1, s.cfg.LocalEntries/10)
	c.leads = open(&o, leadKeyspace(s.cfg.LeadKeyPrefix), s.loadLead, s.cfg.LeadTTL, s.cfg.LocalEntries)
	c.organizations = open(&o, keyspaceOf("organization", organizationKeys), s.loadOrganization, s.cfg.OrganizationTTL, s.cfg.LocalEntries)
	c.contexts = open(&o, keyspaceOf("context", contextKeys), s.loadContext, s.cfg.ContextTTL, s.cfg.LocalEntries)
	c.conversations = open(&o, conversationsKeyspace(), s.loadConversations, s.cfg.ConversationsTTL, lists)
	c.summaries = open(&o, keyspaceOf("summaries", summariesKeys), s.db.Summaries, s.cfg.SummariesTTL, lists)
	c.sessions = open(&o, keyspaceOf("session", sessionKeys), s.db.CallSession, s.cfg.SessionTTL, s.cfg.LocalEntries)
	c.greetings = open(&o, keyspaceOf("greeting", greetingKeys), s.loadGreeting, s.cfg.GreetingTTL, s.cfg.LocalEntries)
	c.all = o.all
	if o.err != nil {
		return errors.Join(o.err, c.closeAll())
	}
	return nil
}

// An opener makes caches and gathers what is wrong.
type opener struct {
	redis *tiered.Redis
	cfg   Config
	all   map[string]anyCache
	err   error
}

func open[K comparable, V any](
	o *opener, keys tiered.Keyspace[K], load tiered.LoaderFunc[K, V], ttl time.Duration, entries int,
) *tiered.Cache[K, V] {
	c, err := tiered.New(o.redis, keys, load, tiered.Options{
		TTL:          ttl,
		AbsentTTL:    min(ttl, o.cfg.NotFoundTTL),
		LocalEntries: entries,
		ServeStale:   o.cfg.staleAfter(ttl),
		Codec:        Codec{},
		PlainJSON:    o.cfg.PlainJSON,
	})
	if err != nil {
		o.err = errors.Join(o.err, fmt.Errorf("leadsvc: %w", err))
		return nil
	}
	o.all[keys.Name] = c
	return c
}

// staleAfter returns the age up to which a value with that TTL may be served.
func (c Config) staleAfter(ttl time.Duration) time.Duration {
	if c.ServeStale == 0 {
		return 0
	}
	return ttl + min(c.ServeStale, math.MaxInt64-ttl)
}

func (c *caches) closeAll() error {
	var errs []error
	for _, one := range c.all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// related returns what is remembered of a lead apart from the lead itself.
func (s *Service) related(leadID string) []tiered.Target {
	return append(s.said(leadID), s.summaries.Target(leadID), s.sessions.Target(leadID))
}

// said returns what is remembered of a lead and depends on its messages. What
// the old service wrote bears no tag until it was read: where its values can
// be read, they are named, for the limits that it knows.
func (s *Service) said(leadID string) []tiered.Target {
	targets := []tiered.Target{
		tiered.Tagged(conversationsTag(leadID)),
		s.contexts.Target(leadID),
		s.greetings.Target(leadID),
	}
	if s.cfg.PlainJSON {
		targets = append(targets,
			s.conversations.Target(conversationsKey{leadID, 5}, conversationsKey{leadID, 10}, conversationsKey{leadID, 20}))
	}
	return targets
}

// invalidate is what comes after a write. The row is committed and this node
// obeys, so that Redis did not acknowledge is no business of the caller.
func (s *Service) invalidate(ctx context.Context, targets ...tiered.Target) {
	// The write may have used up its time; Invalidate has its own.
	err := s.redis.Invalidate(context.WithoutCancel(ctx), targets...)
	if err != nil {
		s.warn(ctx, "leadsvc: other nodes were not told that a lead has changed", slog.Any("err", err))
	}
}

// ours returns the remembered value of key if it is one that its key finds.
// Other programs can write to Redis: what they put under a wrong key is never
// handed out as another lead's, but dropped and looked up again, past the
// caches.
func ours[K comparable, V any](
	ctx context.Context, s *Service, c *tiered.Cache[K, V], key K, load tiered.LoaderFunc[K, V], fits func(V) bool,
) (V, error) {
	v, err := c.Get(ctx, key)
	if err != nil && !isStale(err) || fits(v) {
		return v, err
	}
	s.warn(ctx, "leadsvc: Redis holds a value of another lead")
	s.invalidate(ctx, c.Target(key))
	return load(ctx, key)
}
