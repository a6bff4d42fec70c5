package leadsvc_test

import (
	"strings"
	"testing"

	"leadcache/leadsvc"
)

// TestBehaviourOfEnvironment holds the service to the promises about the
// variables that set it up.
func TestBehaviourOfEnvironment(t *testing.T) {
	t.Parallel()
	settings := func(name, value string) (leadsvc.Settings, error) {
		return leadsvc.Environment(getenv(variables(name, value)))
	}

	t.Run("REDIS_URL: redis:// and rediss://", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{"redis://cache:6379", "redis://:pw@cache:6379/2", "rediss://user:pw@cache:6380"} {
			if s, err := settings("REDIS_URL", url); err != nil || s.Redis.URL != url {
				t.Errorf("Environment has %q, %v, want %q", s.Redis.URL, err, url)
			}
		}
	})

	t.Run("REDIS_ENABLED: false switches Redis off", func(t *testing.T) {
		t.Parallel()
		for value, disabled := range map[string]bool{"": false, "true": false, "false": true} {
			if s, err := settings("REDIS_ENABLED", value); err != nil || s.Redis.Disabled != disabled {
				t.Errorf("Environment with REDIS_ENABLED=%s: Disabled is %t, %v, want %t", value, s.Redis.Disabled, err, disabled)
			}
		}
	})

	t.Run("DATABASE_URL", func(t *testing.T) {
		t.Parallel()
		if s, err := settings("DATABASE_URL", "postgres://u:pw@db:5432/leads"); err != nil || s.Database.URL != "postgres://u:pw@db:5432/leads" {
			t.Errorf("Environment has %q, %v, want the URL", s.Database.URL, err)
		}
	})

	t.Run("bad values fail at start with a message that names the variable", func(t *testing.T) {
		t.Parallel()
		for name, value := range map[string]string{
			"REDIS_URL":     "http://secret@cache",
			"REDIS_ENABLED": "secret",
			"DATABASE_URL":  "mysql://u:secret@db",
		} {
			if _, err := settings(name, value); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Environment with a bad %s: %v, want its name and not its value", name, err)
			}
		}
	})
}
