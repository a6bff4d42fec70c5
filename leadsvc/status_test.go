package leadsvc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// fill asks once for what is nowhere and twice for what is then in the local
// tier, if there is one.
func fill(t *testing.T, n *node) {
	t.Helper()
	for range 3 {
		if _, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); !errors.Is(err, leadsvc.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

func TestCacheStatus(t *testing.T) {
	t.Parallel()
	t.Run("working", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		a, b := f.node(t, leadsvc.Config{}), f.node(t, leadsvc.Config{})
		idle := b.CacheStatus()
		if idle.State != leadsvc.CacheWorking || !idle.Enabled || !idle.Connected || !idle.Tracking ||
			!idle.DegradedSince.IsZero() || idle.LastError != "" || idle.PendingInvalidations != 0 ||
			idle.Total != (leadsvc.CacheUse{}) || len(idle.Kinds) != len(b.Stats()) {
			t.Errorf("before the first call: CacheStatus = %+v", idle)
		}
		fill(t, a)
		fill(t, b)
		if _, err := b.OrganizationByPhone(t.Context(), phone); err != nil {
			t.Fatal(err)
		}
		st := b.CacheStatus()
		lead := leadsvc.CacheUse{
			Gets: 3, LocalHits: 2, LocalMisses: 1, RedisHits: 1,
			LocalHitRate: 2.0 / 3, RedisHitRate: 1, HitRate: 1,
		}
		organization := leadsvc.CacheUse{Gets: 1, LocalMisses: 1, RedisMisses: 1, Loads: 1}
		total := leadsvc.CacheUse{
			Gets: 4, LocalHits: 2, LocalMisses: 2, RedisHits: 1, RedisMisses: 1, Loads: 1,
			LocalHitRate: 0.5, RedisHitRate: 0.5, HitRate: 0.75,
		}
		if st.Kinds["lead"] != lead || st.Kinds["organization"] != organization || st.Total != total {
			t.Errorf("CacheStatus = %+v, want\n%+v of leads,\n%+v of organizations and\n%+v", st, lead, organization, total)
		}
		if st.RedisLatency <= 0 {
			t.Errorf("RedisLatency = %v, want more than 0", st.RedisLatency)
		}
		if got, want := st.String(), "cache working: 75.0% of 4 calls answered by it"; got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	})

	t.Run("off", func(t *testing.T) {
		t.Parallel()
		n := newFleet(t).nodeWith(t, tiered.RedisOptions{Disabled: true}, leadsvc.Config{})
		fill(t, n)
		st := n.CacheStatus()
		use := leadsvc.CacheUse{Gets: 3, LocalMisses: 3, RedisMisses: 3, Loads: 3}
		if st.State != leadsvc.CacheOff || st.Enabled || st.Connected || !st.DegradedSince.IsZero() || st.LastError != "" || st.Total != use {
			t.Errorf("CacheStatus = %+v, want it to be off, and %+v", st, use)
		}
		if got, want := st.String(), "cache off: 0.0% of 3 calls answered by it"; got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	})

	t.Run("degraded from the start", func(t *testing.T) {
		t.Parallel()
		n := newFleet(t).nodeWith(t, tiered.RedisOptions{URL: "redis://u:s3cret@127.0.0.1:1"}, leadsvc.Config{})
		fill(t, n)
		if err := n.InvalidateLeadCaches(t.Context(), noOrg, phone, defaultOrg); !errors.Is(err, leadsvc.ErrPending) {
			t.Fatal(err)
		}
		servertest.Eventually(t, soon, func() bool { return n.CacheStatus().LastError != "" }, "the connection to be refused")
		st := n.CacheStatus()
		if st.State != leadsvc.CacheDegraded || !st.Enabled || st.Connected || st.Tracking || st.DegradedSince.IsZero() ||
			st.PendingInvalidations == 0 || st.Total.Gets != 3 || st.Total.Loads == 0 || st.RedisLatency != 0 {
			t.Errorf("CacheStatus = %+v, want it to be degraded", st)
		}
		if text := st.String(); !strings.HasPrefix(text, "cache degraded since 20") || !strings.Contains(text, st.LastError) ||
			strings.Contains(text, "s3cret") {
			t.Errorf("String = %q, want since when and why, and no secret", text)
		}
	})

	t.Run("degraded while Redis is away", func(t *testing.T) {
		t.Parallel()
		server := servertest.Redis(t)
		f := newFleet(t)
		f.redisURL = server.URL()
		n := f.node(t, leadsvc.Config{})
		fill(t, n)
		server.Kill()
		servertest.Eventually(t, soon, func() bool { return n.CacheStatus().State == leadsvc.CacheDegraded }, "the loss to be noticed")
		if st := n.CacheStatus(); st.Connected || st.DegradedSince.IsZero() {
			t.Errorf("CacheStatus = %+v, want since when", st)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		servertest.Eventually(t, soon, func() bool { return n.CacheStatus().State == leadsvc.CacheWorking }, "Redis to be used again")
		if st := n.CacheStatus(); !st.DegradedSince.IsZero() || st.LastError == "" {
			t.Errorf("CacheStatus = %+v, want the latest failure and no more than that", st)
		}
	})

	t.Run("degraded while Redis fails what it is asked", func(t *testing.T) {
		t.Parallel()
		server := servertest.Redis(t)
		f := newFleet(t)
		f.redisURL = server.URL()
		n := f.node(t, leadsvc.Config{})
		command("CONFIG", "SET", "maxmemory", "1")(t, server)
		for i := range 100 {
			find(t, n, fmt.Sprint(7780000000+i))
		}
		st := n.CacheStatus()
		if st.State != leadsvc.CacheDegraded || !st.Connected || st.DegradedSince.IsZero() || st.Failures.Refusals == 0 || st.Lease == 0 {
			t.Errorf("CacheStatus = %+v, want it to be degraded, and why", st)
		}
		command("CONFIG", "SET", "maxmemory", "0")(t, server)
		servertest.Eventually(t, soon, func() bool {
			find(t, n, fmt.Sprint(7790000000+rand.N(1_000_000)))
			return n.CacheStatus().State == leadsvc.CacheWorking
		}, "Redis to be used again")
	})
}

// What operators read, as JSON.
func TestCacheStatusJSON(t *testing.T) {
	t.Parallel()
	use := leadsvc.CacheUse{Gets: 1, LocalMisses: 1, RedisMisses: 1, Loads: 1}
	text, err := json.Marshal(leadsvc.CacheStatus{
		State: leadsvc.CacheWorking, Enabled: true, Connected: true, RedisLatency: 60_000, Total: use,
		Kinds: map[string]leadsvc.CacheUse{"lead": use},
	})
	if err != nil {
		t.Fatal(err)
	}
	const failures = `{"timeouts":0,"broken":0,"refusals":0,"unexpected":0,"lost":0,"dials":0,"journalled":0}`
	const zeros = `{"gets":1,"local_hits":0,"local_misses":1,"redis_hits":0,"redis_misses":1,"loads":1,` +
		`"load_errors":0,"overloaded":0,"damped":0,"stale":0,"redis_errors":0,"undecodable":0,"local_hit_rate":0,"redis_hit_rate":0,"hit_rate":0}`
	want := `{"state":"working","enabled":true,"connected":true,"tracking":false,"failures":` + failures + `,"lease_ns":0,"redis_latency_ns":60000,` +
		`"pending_invalidations":0,"total":` + zeros + `,"kinds":{"lead":` + zeros + `}}`
	if string(text) != want {
		t.Errorf("JSON %s, want %s", text, want)
	}
}

func ExampleCacheStatus_String() {
	st := leadsvc.CacheStatus{State: leadsvc.CacheWorking, Total: leadsvc.CacheUse{Gets: 1200, HitRate: 0.957}}
	fmt.Println(st)
	// Output: cache working: 95.7% of 1200 calls answered by it
}
