package tiered

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestValidateRedisOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []RedisOptions{
		{URL: "redis://u:p@host:6379/1?dial_timeout=1s"},
		{URL: "rediss://host"},
		{URL: "unix:///run/redis.sock"},
		{Disabled: true, URL: "not looked at"},
	} {
		if err := o.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v, want nil", o, err)
		}
	}
	err := RedisOptions{URL: "localhost", Timeout: time.Microsecond, MaxStale: -1}.Validate()
	for _, field := range []string{"URL", "Timeout", "MaxStale"} {
		if err == nil || !strings.Contains(err.Error(), "RedisOptions."+field) {
			t.Errorf("Validate = %v, does not name %s", err, field)
		}
	}
}

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	good := Options{TTL: time.Minute, ServeStale: time.Hour, SoftTimeout: time.Second, RefreshAhead: 50 * time.Second, MaxLoads: 1, MaxQueuedLoads: 1}
	for _, o := range []Options{{}, good} {
		if err := o.withDefaults().validate(); err != nil {
			t.Errorf("validate(%+v) = %v, want nil", o, err)
		}
	}
	for field, o := range map[string]Options{
		"MaxLoads":       {MaxLoads: -1},
		"MaxQueuedLoads": {MaxQueuedLoads: -1},
		"SoftTimeout":    {SoftTimeout: time.Second}, // without ServeStale
		"ServeStale":     {TTL: time.Minute, ServeStale: time.Minute},
		"RefreshAhead":   {TTL: time.Minute, RefreshAhead: 54 * time.Second},
		"PlainJSON":      {TTL: time.Minute, RefreshAhead: time.Second, PlainJSON: true},
	} {
		if err := o.withDefaults().validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("validate(%+v) = %v, does not name %s", o, err, field)
		}
	}
	for field, o := range map[string]Options{
		"ServeStale": {ServeStale: -1}, "SoftTimeout": {SoftTimeout: -1}, "RefreshAhead": {RefreshAhead: -1},
	} {
		if err := o.withDefaults().validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("validate(%+v) = %v, does not name %s", o, err, field)
		}
	}
}

// Whatever is wrong with a URL, no error repeats a part of it.
func FuzzRedisURL(f *testing.F) {
	for _, before := range []string{
		"", "redis://:", "rediss://u:", "redis://u:%zz", "redis://h:", "redis://h/", "unix:///", "http://", "redis://h?addr=",
		"redis://h?db=", "redis://h?protocol=", "redis://h?dial_timeout=", "redis://h?write_timeout=", "redis://h?master_set=", "\x00", "redis://[",
	} {
		f.Add(before, "@host:6379/1")
		f.Add(before, "")
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "s3cr3t"
		err := RedisOptions{URL: before + secret + after}.Validate()
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*url.Error](err); ok || strings.Contains(err.Error(), secret) {
			t.Errorf("the error %q repeats the URL", err)
		}
	})
}
