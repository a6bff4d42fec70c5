package leadsvc

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config tunes a [Service]. The zero value of each field means the default
// that its comment names; a negative value is an error.
type Config struct {
	// DefaultOrganizationID is the organization of numbers that belong to no
	// other. Default b0c1b1c1-0000-0000-0000-000000000001.
	DefaultOrganizationID string

	// LeadKeyPrefix comes before the keys of leads and no others. The old
	// service kept them under "bici:lead:". Default none.
	LeadKeyPrefix string

	// LeadTTL bounds the age of a remembered lead. Default 5 minutes.
	LeadTTL time.Duration

	// OrganizationTTL bounds the age of a remembered organization. Default 10
	// minutes.
	OrganizationTTL time.Duration

	// NotFoundTTL bounds the age of the memory that there is no such lead, or
	// that it has made no call. It is no longer than the TTL of what is not
	// there. Default 30 seconds.
	NotFoundTTL time.Duration

	// ContextTTL, ConversationsTTL, SummariesTTL, SessionTTL and GreetingTTL
	// bound the age of what else is remembered of a lead. Defaults 1, 2, 5, 2
	// and 1 minutes.
	ContextTTL       time.Duration
	ConversationsTTL time.Duration
	SummariesTTL     time.Duration
	SessionTTL       time.Duration
	GreetingTTL      time.Duration

	// ServeStale is for how long after its TTL what is remembered may be served
	// when the database does not answer: with a [*StaleError], which comes
	// beside the value. Writes never use it. It takes a Redis that works: without
	// one, and with another than before, nothing is served stale. Default 0:
	// never.
	ServeStale time.Duration

	// LocalEntries bounds how many entries of each kind this process keeps: so
	// many leads, so many organizations, and so on, and a tenth of it of those
	// that are lists, conversations and summaries. A list of twenty messages
	// takes some 10 KB. Default 10,000.
	LocalEntries int

	// PlainJSON keeps values in Redis as plain JSON, with the names of the
	// columns, so that programs in other languages share them. Default: framed,
	// see [tiered.Options].
	PlainJSON bool

	// Logger is told, at most once in ten seconds, that an invalidation waits
	// for Redis. Default [slog.Default].
	Logger *slog.Logger
}

const (
	defaultOrganizationID   = "b0c1b1c1-0000-0000-0000-000000000001"
	defaultLeadTTL          = 5 * time.Minute
	defaultOrganizationTTL  = 10 * time.Minute
	defaultNotFoundTTL      = 30 * time.Second
	defaultContextTTL       = time.Minute
	defaultConversationsTTL = 2 * time.Minute
	defaultSummariesTTL     = 5 * time.Minute
	defaultSessionTTL       = 2 * time.Minute
	defaultGreetingTTL      = time.Minute
	defaultLocalEntries     = 10_000
)

func (c Config) withDefaults() Config {
	c.DefaultOrganizationID = cmp.Or(c.DefaultOrganizationID, defaultOrganizationID)
	c.LeadTTL = cmp.Or(c.LeadTTL, defaultLeadTTL)
	c.OrganizationTTL = cmp.Or(c.OrganizationTTL, defaultOrganizationTTL)
	c.NotFoundTTL = cmp.Or(c.NotFoundTTL, defaultNotFoundTTL)
	c.ContextTTL = cmp.Or(c.ContextTTL, defaultContextTTL)
	c.ConversationsTTL = cmp.Or(c.ConversationsTTL, defaultConversationsTTL)
	c.SummariesTTL = cmp.Or(c.SummariesTTL, defaultSummariesTTL)
	c.SessionTTL = cmp.Or(c.SessionTTL, defaultSessionTTL)
	c.GreetingTTL = cmp.Or(c.GreetingTTL, defaultGreetingTTL)
	c.LocalEntries = cmp.Or(c.LocalEntries, defaultLocalEntries)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

func (c Config) validate() error {
	var errs []error
	for _, field := range []struct {
		name string
		ttl  time.Duration
	}{
		{"LeadTTL", c.LeadTTL},
		{"OrganizationTTL", c.OrganizationTTL},
		{"NotFoundTTL", c.NotFoundTTL},
		{"ContextTTL", c.ContextTTL},
		{"ConversationsTTL", c.ConversationsTTL},
		{"SummariesTTL", c.SummariesTTL},
		{"SessionTTL", c.SessionTTL},
		{"GreetingTTL", c.GreetingTTL},
	} {
		if field.ttl < minTTL {
			errs = append(errs, fmt.Errorf("leadsvc: Config.%s is %v, want at least %v", field.name, field.ttl, minTTL))
		}
	}
	if c.ServeStale < 0 {
		errs = append(errs, fmt.Errorf("leadsvc: Config.ServeStale is %v, want at least 0", c.ServeStale))
	}
	if c.LocalEntries < 1 {
		errs = append(errs, fmt.Errorf("leadsvc: Config.LocalEntries is %d, want at least 1", c.LocalEntries))
	}
	for _, taken := range otherKeys {
		if strings.HasPrefix(c.LeadKeyPrefix, taken) {
			errs = append(errs, fmt.Errorf("leadsvc: Config.LeadKeyPrefix begins with %s, where other keys are", taken))
		}
	}
	return errors.Join(errs...)
}

// minTTL is what tiered takes.
const minTTL = 10 * time.Millisecond
