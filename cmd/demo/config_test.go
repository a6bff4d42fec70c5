package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	t.Run("nothing given means the defaults", func(t *testing.T) {
		c, err := parseConfig(nil, environment(nil))
		want := config{nodes: 3, duration: 15 * time.Second, conversations: 300, redisEnabled: true}
		if err != nil || c != want {
			t.Errorf("parseConfig = %+v, %v, want %+v", c, err, want)
		}
	})

	t.Run("with Redis off its URL does not matter", func(t *testing.T) {
		c, err := parseConfig(nil, environment(map[string]string{"REDIS_ENABLED": "false", "REDIS_URL": "nonsense"}))
		if err != nil || c.redisEnabled || c.redisURL != "" {
			t.Errorf("parseConfig = %+v, %v, want Redis off", c, err)
		}
	})

	for _, test := range []struct {
		name string
		args []string
		env  map[string]string
		want string // in the error
	}{
		{"switch", nil, map[string]string{"REDIS_ENABLED": "maybe"}, "REDIS_ENABLED"},
		{"redis scheme", nil, map[string]string{"REDIS_URL": "http://:unspeakable@localhost"}, "REDIS_URL"},
		{"redis port", nil, map[string]string{"REDIS_URL": "redis://:unspeakable@localhost:port"}, "REDIS_URL"},
		{"redis without host", nil, map[string]string{"REDIS_URL": "redis:unspeakable"}, "REDIS_URL"},
		{"several servers", nil, map[string]string{"REDIS_URL": "redis://:unspeakable@a:1?addr=b:2"}, "REDIS_URL"},
		{"database", nil, map[string]string{"DATABASE_URL": "postgres://me:unspeakable@localhost:port/db"}, "DATABASE_URL"},
		{"database scheme", nil, map[string]string{"DATABASE_URL": "mysql://me:unspeakable@localhost/db"}, "DATABASE_URL"},
		{"no nodes", []string{"-nodes", "0"}, nil, "-nodes"},
		{"nodes no number", []string{"-nodes", "three"}, nil, "-nodes"},
		{"too many conversations", []string{"-conversations", "100000"}, nil, "-conversations"},
		{"too short", []string{"-duration", "1ms"}, nil, "-duration"},
		{"no unit", []string{"-duration", "15"}, nil, "-duration"},
		{"no such folder", []string{"-report", "/no/such/folder/r.json"}, nil, "-report"},
		{"folder", []string{"-report", "/"}, nil, "-report"},
		{"unknown flag", []string{"-speed", "9"}, nil, "-speed"},
		{"argument", []string{"fast"}, nil, "fast"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseConfig(test.args, environment(test.env))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseConfig = %v, want an error that names %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "unspeakable") {
				t.Errorf("the error %q holds the password", err)
			}
		})
	}

	t.Run("all that is wrong is named at once", func(t *testing.T) {
		_, err := parseConfig([]string{"-nodes", "99"}, environment(map[string]string{"REDIS_ENABLED": "x", "DATABASE_URL": "x://"}))
		for _, name := range []string{"-nodes", "REDIS_ENABLED", "DATABASE_URL"} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("parseConfig = %v, want an error that names %s", err, name)
			}
		}
	})
}

func TestPlaces(t *testing.T) {
	for url, want := range map[string]string{
		"redis://me:unspeakable@cache.example:6380/2":     "redis://cache.example:6380/2",
		"rediss://:unspeakable@cache.example":             "rediss://cache.example",
		"redis://cache.example?client_name=unspeakable":   "redis://cache.example",
		"unix:///run/redis.sock":                          "unix:///run/redis.sock",
		"redis://me:unspeak%61ble@[::1]:6379/0#fragment":  "redis://[::1]:6379/0",
		"redis://unspeakable@127.0.0.1:6379/0?db=1&dial=": "redis://127.0.0.1:6379/0",
	} {
		if got := redisPlace(url); got != want {
			t.Errorf("redisPlace(%s) = %s, want %s", url, got, want)
		}
	}
	for url, want := range map[string]string{
		"postgres://me:unspeakable@db.example:5433/leads?sslmode=disable": "postgres://db.example:5433/leads",
		"postgresql://db.example/leads?password=unspeakable":              "postgres://db.example:5432/leads",
		"host=db.example user=me password=unspeakable dbname=leads":       "postgres://db.example:5432/leads",
	} {
		if got := databasePlace(url); got != want {
			t.Errorf("databasePlace(%s) = %s, want %s", url, got, want)
		}
	}
}

func TestWithSchema(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://me:p%40ss@h:1/d?sslmode=disable": "postgres://me:p%40ss@h:1/d?search_path=demo_1&sslmode=disable",
		"postgres://h/d?search_path=other":           "postgres://h/d?search_path=demo_1",
		"host=h dbname=d":                            "host=h dbname=d search_path=demo_1",
	} {
		if got := withSchema(url, "demo_1"); got != want {
			t.Errorf("withSchema(%s) = %s, want %s", url, got, want)
		}
	}
}
