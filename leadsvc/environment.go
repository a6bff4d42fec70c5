package leadsvc

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"leadcache/pg"
	"leadcache/tiered"
)

// Settings are what [tiered.Dial], [pg.Open] and [New] are given.
type Settings struct {
	Redis    tiered.RedisOptions
	Database pg.Options
	Service  Config
}

// Environment returns the settings that these variables name, of which getenv,
// [os.Getenv] for one, returns the values. An empty one is one that is not set,
// and means the default of its field.
//
//	DATABASE_URL             pg.Options.URL; required
//	DATABASE_TIMEOUT         pg.Options.Timeout, a duration such as 2s
//	REDIS_URL                tiered.RedisOptions.URL; required unless Redis is off
//	REDIS_ENABLED            false: Redis is off from the start; default true.
//	                         [tiered.Redis.SetEnabled] switches it later on
//	REDIS_KEY_PREFIX         before all keys
//	REDIS_PLAIN_JSON         true: values that other programs can read; default false
//	LEAD_KEY_PREFIX          before the keys of leads
//	DEFAULT_ORGANIZATION_ID  of callers whose number belongs to no other
//	LEAD_TTL, ORGANIZATION_TTL, NOT_FOUND_TTL, CONTEXT_TTL, CONVERSATIONS_TTL,
//	SUMMARIES_TTL, SESSION_TTL, GREETING_TTL
//	                         durations such as 5m or 90s
//	SERVE_STALE              how long after its TTL a value is served if need be
//	LOCAL_ENTRIES            a number of entries
//
// The error names every variable whose value is wrong, and repeats none of the
// values: they may hold passwords. Then the settings mean nothing.
func Environment(getenv func(string) string) (Settings, error) {
	e := environment{getenv: getenv}
	s := Settings{
		Redis: tiered.RedisOptions{
			URL:      getenv("REDIS_URL"),
			Prefix:   getenv("REDIS_KEY_PREFIX"),
			Disabled: !e.flag("REDIS_ENABLED", true),
		},
		Database: pg.Options{URL: getenv("DATABASE_URL"), Timeout: e.duration("DATABASE_TIMEOUT")},
		Service: Config{
			DefaultOrganizationID: getenv("DEFAULT_ORGANIZATION_ID"),
			LeadKeyPrefix:         getenv("LEAD_KEY_PREFIX"),
			LeadTTL:               e.duration("LEAD_TTL"),
			OrganizationTTL:       e.duration("ORGANIZATION_TTL"),
			NotFoundTTL:           e.duration("NOT_FOUND_TTL"),
			ContextTTL:            e.duration("CONTEXT_TTL"),
			ConversationsTTL:      e.duration("CONVERSATIONS_TTL"),
			SummariesTTL:          e.duration("SUMMARIES_TTL"),
			SessionTTL:            e.duration("SESSION_TTL"),
			GreetingTTL:           e.duration("GREETING_TTL"),
			ServeStale:            e.atLeast("SERVE_STALE", 0),
			LocalEntries:          e.count("LOCAL_ENTRIES"),
			PlainJSON:             e.flag("REDIS_PLAIN_JSON", false),
		},
	}
	if !s.Redis.Disabled {
		e.url("REDIS_URL", s.Redis.Validate)
	}
	e.url("DATABASE_URL", s.Database.Validate)
	e.check("LEAD_KEY_PREFIX", Config{LeadKeyPrefix: s.Service.LeadKeyPrefix}.withDefaults().validate())
	return s, errors.Join(e.wrong...)
}

// environment reads variables and gathers what is wrong with them.
type environment struct {
	getenv func(string) string
	wrong  []error
}

func (e *environment) check(name string, err error) {
	if err != nil {
		e.wrong = append(e.wrong, fmt.Errorf("%s: %w", name, err))
	}
}

// url checks a URL that must be there.
func (e *environment) url(name string, validate func() error) {
	if e.getenv(name) == "" {
		e.check(name, errors.New("is not set"))
		return
	}
	e.check(name, validate())
}

func (e *environment) flag(name string, unset bool) bool {
	v := e.getenv(name)
	if v == "" {
		return unset
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		e.check(name, errors.New("want true or false"))
		return unset
	}
	return on
}

// duration takes no 0, which would mean the default and look like none.
func (e *environment) duration(name string) time.Duration { return e.atLeast(name, minTTL) }

func (e *environment) atLeast(name string, bound time.Duration) time.Duration {
	v := e.getenv(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < bound {
		e.check(name, fmt.Errorf("want a duration such as 5m, at least %v", bound))
		return 0
	}
	return d
}

func (e *environment) count(name string) int {
	v := e.getenv(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		e.check(name, errors.New("want a whole number, at least 1"))
	}
	return n
}
