package leadsvc_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// variables are an environment that is complete.
func variables(more ...string) map[string]string {
	v := map[string]string{"DATABASE_URL": "postgres://db/leads", "REDIS_URL": "redis://cache:6379"}
	for i := 0; i < len(more); i += 2 {
		v[more[i]] = more[i+1]
	}
	return v
}

func getenv(v map[string]string) func(string) string {
	return func(name string) string { return v[name] }
}

func ExampleEnvironment() {
	settings, err := leadsvc.Environment(func(name string) string { // os.Getenv for one
		return map[string]string{
			"REDIS_URL":    "redis://cache:6379",
			"DATABASE_URL": "postgres://db/leads",
			"LEAD_TTL":     "90s",
		}[name]
	})
	fmt.Println(settings.Redis.URL, settings.Service.LeadTTL, err)

	_, err = leadsvc.Environment(func(name string) string {
		return map[string]string{
			"REDIS_ENABLED": "no thanks",
			"REDIS_URL":     "redis://:s3cret/@cache",
			"LEAD_TTL":      "5 minutes",
		}[name]
	})
	fmt.Println(err)
	// Output:
	// redis://cache:6379 1m30s <nil>
	// REDIS_ENABLED: want true or false
	// LEAD_TTL: want a duration such as 5m, at least 10ms
	// REDIS_URL: tiered: RedisOptions.URL: want redis://[user:password@]host[:port][/database], rediss://… or unix:///path (special characters in a password are written %xx)
	// DATABASE_URL: is not set
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in   map[string]string
		want leadsvc.Settings
	}{
		"only what is required": {variables(), leadsvc.Settings{
			Redis:    tiered.RedisOptions{URL: "redis://cache:6379"},
			Database: pg.Options{URL: "postgres://db/leads"},
		}},
		"everything": {
			variables("REDIS_ENABLED", "1", "REDIS_KEY_PREFIX", "staging:", "LEAD_KEY_PREFIX", "bici:lead:",
				"DEFAULT_ORGANIZATION_ID", otherOrg, "LEAD_TTL", "1m", "ORGANIZATION_TTL", "1h30m", "NOT_FOUND_TTL", "10ms",
				"CONTEXT_TTL", "1s", "CONVERSATIONS_TTL", "2s", "SUMMARIES_TTL", "3s", "SESSION_TTL", "4s", "GREETING_TTL", "5s",
				"LOCAL_ENTRIES", "1", "REDIS_PLAIN_JSON", "true", "DATABASE_TIMEOUT", "2s",
				"SERVE_STALE", "15m"),
			leadsvc.Settings{
				Redis:    tiered.RedisOptions{URL: "redis://cache:6379", Prefix: "staging:"},
				Database: pg.Options{URL: "postgres://db/leads", Timeout: 2 * time.Second},
				Service: leadsvc.Config{
					LeadKeyPrefix: "bici:lead:", DefaultOrganizationID: otherOrg, LeadTTL: time.Minute,
					OrganizationTTL: 90 * time.Minute, NotFoundTTL: 10 * time.Millisecond, LocalEntries: 1,
					ContextTTL: time.Second, ConversationsTTL: 2 * time.Second, SummariesTTL: 3 * time.Second,
					SessionTTL: 4 * time.Second, GreetingTTL: 5 * time.Second, PlainJSON: true,
					ServeStale: 15 * time.Minute,
				},
			},
		},
		"Redis is off and not set": {
			map[string]string{"DATABASE_URL": "postgres://db/leads", "REDIS_ENABLED": "0"},
			leadsvc.Settings{Redis: tiered.RedisOptions{Disabled: true}, Database: pg.Options{URL: "postgres://db/leads"}},
		},
		"Redis is off and nowhere": {
			map[string]string{"DATABASE_URL": "postgres://db/leads", "REDIS_ENABLED": "false", "REDIS_URL": "nowhere"},
			leadsvc.Settings{
				Redis:    tiered.RedisOptions{Disabled: true, URL: "nowhere"},
				Database: pg.Options{URL: "postgres://db/leads"},
			},
		},
	} {
		got, err := leadsvc.Environment(getenv(test.in))
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: Environment: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// Every variable that is wrong is named, with all others that are, and no
// value is repeated.
func TestEnvironmentNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{
		"REDIS_URL":         {"", "s3cret", "redis://:s3cret/@h", "http://:s3cret@h", "redis://s3cret:s3cret@h/s3cret", "redis://h?addr=s3cret:1"},
		"DATABASE_URL":      {"", "s3cret", "postgres://u:s3cret%zz@h", "host=h password='s3cret", "mysql://u:s3cret@h/d"},
		"REDIS_ENABLED":     {"s3cret", "off", " "},
		"DATABASE_TIMEOUT":  {"s3cret", "0", "-1s", "2"},
		"LEAD_KEY_PREFIX":   {"bici:org:", "bici:ctx:s3cret"},
		"LEAD_TTL":          {"s3cret", "0", "-1m", "5", "9ms", "5 m"},
		"ORGANIZATION_TTL":  {"s3cret", "0s"},
		"NOT_FOUND_TTL":     {"s3cret", "0s"},
		"CONTEXT_TTL":       {"s3cret", "0s"},
		"CONVERSATIONS_TTL": {"s3cret", "0s"},
		"SUMMARIES_TTL":     {"s3cret", "0s"},
		"SESSION_TTL":       {"s3cret", "0s"},
		"GREETING_TTL":      {"s3cret", "0s"},
		"REDIS_PLAIN_JSON":  {"s3cret", "on"},
		"SERVE_STALE":       {"s3cret", "-1s", "15"},
		"LOCAL_ENTRIES":     {"s3cret", "0", "-1", "1e3", "99999999999999999999"},
	}
	all := variables()
	for name, values := range bad {
		for _, value := range values {
			_, err := leadsvc.Environment(getenv(variables(name, value)))
			wantNamed(t, err, name)
		}
		all[name] = values[len(values)-1]
	}
	_, err := leadsvc.Environment(getenv(all))
	wantNamed(t, err, slices.Collect(maps.Keys(bad))...)
}

// wantNamed fails unless err has one line for each of these variables, and no
// secret.
func wantNamed(t *testing.T, err error, names ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("Environment: no error, want one that names %q", names)
		return
	}
	lines := strings.Split(err.Error(), "\n")
	for _, name := range names {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+": ") }) {
			t.Errorf("Environment: %v, want the name of %s", err, name)
		}
	}
	if len(lines) != len(names) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Environment: %v, want %d lines and no secret", err, len(names))
	}
}
