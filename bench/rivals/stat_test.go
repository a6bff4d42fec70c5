package rivals

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"leadcache/internal/servertest"
)

// redisStat returns a counter of INFO stats.
func redisStat(t testing.TB, name string) int64 {
	t.Helper()
	client := lookInside(t)
	defer client.Close()
	info, err := client.Do(t.Context(), client.B().Info().Section("stats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatalf("INFO stats has no number %s: %v", name, err)
	}
	return n
}

// unlink removes keys from Redis. What is left, the test's clean-up removes.
func unlink(t testing.TB, prefix string, keys []string) {
	t.Helper()
	client := lookInside(t)
	defer client.Close()
	for some := range slices.Chunk(keys, 1000) {
		names := make([]string, len(some))
		for i, key := range some {
			names[i] = prefix + key
		}
		if err := client.Do(t.Context(), client.B().Unlink().Key(names...).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

// lookInside connects to the Redis that the caches use.
func lookInside(t testing.TB) rueidis.Client {
	t.Helper()
	option := rueidisOption(t, setup{url: servertest.RedisURL(t)})
	option.DisableCache = true
	return rueidisClient(t, option)
}
