package leadsvc_test

import (
	"slices"
	"strings"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// kinds are those of the keys.
var kinds = []string{"lead", "organization", "context", "conversations", "summaries", "session", "greeting"}

// TestBehaviourOfCacheStatus asks "is the cache working?".
func TestBehaviourOfCacheStatus(t *testing.T) {
	t.Parallel()
	t.Run("enabled, connected, hits and misses of each tier and each kind of key, hit rates", func(t *testing.T) {
		t.Parallel()
		s := withRedis(t)
		lead := s.filled(t)
		s.wantOrganization(t, 0, phone, "Default")
		for range 3 { // the other node has all from Redis, and then from itself
			ask(t, s.nodes[1], lead)
			s.wantOrganization(t, 1, phone, "Default")
		}
		st := s.nodes[1].CacheStatus()
		if !st.Enabled || !st.Connected || !st.DegradedSince.IsZero() || st.LastError != "" || st.RedisLatency <= 0 {
			t.Errorf("CacheStatus = %+v, want a cache that works", st)
		}
		for _, kind := range kinds {
			keys := uint64(1)
			if kind == "conversations" {
				keys = uint64(len(limits))
			}
			use := st.Kinds[kind]
			if use.Gets != 3*keys || use.LocalHits != 2*keys || use.LocalMisses != keys || use.RedisHits != keys || use.RedisMisses != 0 {
				t.Errorf("CacheStatus has for %s %+v, want %d times one Redis hit and two local ones", kind, use, keys)
			}
			if use.HitRate != 1 || use.RedisHitRate != 1 || use.LocalHitRate < 0.66 || use.LocalHitRate > 0.67 {
				t.Errorf("CacheStatus has for %s %+v, want hit rates 1, 1 and 2/3", kind, use)
			}
		}
		if len(st.Kinds) != len(kinds) {
			t.Errorf("CacheStatus has %d kinds of key, want %d", len(st.Kinds), len(kinds))
		}
		if want := 3 * uint64(len(kinds)-1+len(limits)); st.Total.Gets != want || st.Total.HitRate != 1 {
			t.Errorf("CacheStatus has %+v in total, want %d calls and all hits", st.Total, want)
		}
		filler := s.nodes[0].CacheStatus().Kinds["summaries"]
		if filler.RedisMisses != 1 || filler.Loads != 1 || filler.HitRate != 0 {
			t.Errorf("CacheStatus of the node that filled has %+v, want one miss", filler)
		}
	})

	t.Run("errors, degraded since, last error", func(t *testing.T) {
		t.Parallel()
		redis := servertest.Redis(t)
		s := withServer(t, redis, soon)
		lead := s.filled(t)
		redis.Kill()
		n := s.nodes[0]
		servertest.Eventually(t, soon, func() bool { return !n.CacheStatus().Connected }, "the node to miss Redis")
		if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); err != nil {
			t.Fatal(err)
		}
		st := n.CacheStatus()
		if !st.Enabled || st.DegradedSince.IsZero() || st.LastError == "" || st.PendingInvalidations == 0 || st.State == leadsvc.CacheWorking {
			t.Errorf("CacheStatus = %+v, want a cache that is degraded", st)
		}
		if text := st.String(); strings.Contains(text, digits) || strings.Contains(text, lead.ID) {
			t.Errorf("CacheStatus names a lead: %s", text)
		}
		s.restart(t, redis)
		if st := n.CacheStatus(); !st.Connected || !st.DegradedSince.IsZero() || st.State != leadsvc.CacheWorking {
			t.Errorf("CacheStatus = %+v, want a cache that works again", st)
		}
	})

	t.Run("is the cache working?", func(t *testing.T) {
		t.Parallel()
		for state, scene := range map[leadsvc.CacheState]func(testing.TB) *scene{
			leadsvc.CacheWorking: withRedis, leadsvc.CacheOff: withoutRedis, leadsvc.CacheDegraded: withRedisDown,
		} {
			st := scene(t).nodes[0].CacheStatus()
			if st.State != state || st.Enabled != (state != leadsvc.CacheOff) || st.Connected != (state == leadsvc.CacheWorking) {
				t.Errorf("CacheStatus = %+v, want %s", st, state)
			}
			if words := strings.Fields(st.String()); !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, string(state)) }) {
				t.Errorf("CacheStatus says %q, want %s", st, state)
			}
		}
	})
}
