package leadsvc_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviourInRedis holds the service to the promises about what Redis
// holds.
func TestBehaviourInRedis(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) *scene {
		t.Helper()
		t.Parallel()
		return withRedis(t)
	}
	t.Run("Numbers and keys", func(t *testing.T) {
		t.Parallel()
		testKeys(t, start)
	})
	t.Run("Methods", func(t *testing.T) {
		t.Parallel()
		testDropped(t, start)
	})
}

func testKeys(t *testing.T, start func(*testing.T) *scene) {
	t.Helper()
	t.Run("no digit, or more than 15: nothing cached, nothing asked", func(t *testing.T) {
		s := start(t)
		n := s.a(t)
		for _, number := range []string{"anonymous", "restricted", "", strings.Repeat("7", 16)} {
			if _, err := n.FindOrCreateLead(t.Context(), number, defaultOrg); !errors.Is(err, leadsvc.ErrInvalidPhone) {
				t.Errorf("FindOrCreateLead(%q): %v, want ErrInvalidPhone", number, err)
			}
			if _, err := n.FindLeadByPhone(t.Context(), number, defaultOrg); !errors.Is(err, leadsvc.ErrInvalidPhone) {
				t.Errorf("FindLeadByPhone(%q): %v, want ErrInvalidPhone", number, err)
			}
		}
		s.wantKeys(t)
		if q := n.db.Queries(); q != 0 {
			t.Errorf("%d statements, want none", q)
		}
	})
	t.Run("lead key 17786528784:b0c1b1c1-0000-0000-0000-000000000001, TTL 5 min", func(t *testing.T) {
		s := start(t)
		remember(t, s.a(t))
		s.wantKeys(t, "17786528784:b0c1b1c1-0000-0000-0000-000000000001")
		s.wantTTL(t, "17786528784:b0c1b1c1-0000-0000-0000-000000000001", 5*time.Minute)
	})
	t.Run("organization key bici:org:+17786528784, the number as it was given, TTL 10 min", func(t *testing.T) {
		s := start(t)
		for _, number := range []string{"+17786528784", "(778) 652-8784"} {
			s.wantOrganization(t, 0, number, "Default")
		}
		s.wantKeys(t, "bici:org:+17786528784", "bici:org:(778) 652-8784")
		s.wantTTL(t, "bici:org:+17786528784", 10*time.Minute)
		s.wantTTL(t, "bici:org:(778) 652-8784", 10*time.Minute)
	})
	t.Run("context bici:ctx:${leadId}, 1 min", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		s.wantHeld(t, "bici:ctx:"+lead.ID)
		s.wantTTL(t, "bici:ctx:"+lead.ID, time.Minute)
	})
	t.Run("conversations bici:conv:${leadId}:${limit}, 2 min, any limit", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		for _, limit := range limits {
			key := fmt.Sprintf("bici:conv:%s:%d", lead.ID, limit)
			s.wantHeld(t, key)
			s.wantTTL(t, key, 2*time.Minute)
		}
	})
	t.Run("summaries bici:sum:${leadId}, 5 min", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		s.wantHeld(t, "bici:sum:"+lead.ID)
		s.wantTTL(t, "bici:sum:"+lead.ID, 5*time.Minute)
	})
	t.Run("session bici:sess:${leadId}, 2 min", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		s.wantHeld(t, "bici:sess:"+lead.ID)
		s.wantTTL(t, "bici:sess:"+lead.ID, 2*time.Minute)
	})
	t.Run("greeting bici:greet:${leadId}, 1 min", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		s.wantHeld(t, "bici:greet:"+lead.ID)
		s.wantTTL(t, "bici:greet:"+lead.ID, time.Minute)
	})
	t.Run("not found is cached too, for 30 s", func(t *testing.T) {
		s := start(t)
		for range 2 {
			wantNoLead(t, s.a(t), phone, defaultOrg)
			wantNoLead(t, s.b(t), phone, defaultOrg)
		}
		if q := s.nodes[0].db.Queries() + s.nodes[1].db.Queries(); q != 1 {
			t.Errorf("%d statements, want 1", q)
		}
		s.wantTTL(t, digits+":"+defaultOrg, 30*time.Second)
	})
	t.Run("keys are exactly as above by default", func(t *testing.T) {
		t.Parallel()
		s := withServer(t, servertest.Redis(t), soon)
		lead := s.filled(t)
		s.wantOrganization(t, 0, phone, "Default")
		s.wantKeys(t, append(keysOf(lead), "bici:org:"+phone)...)
	})
	t.Run("one option puts a prefix before the lead keys", func(t *testing.T) {
		s := start(t)
		n := s.node(t, leadsvc.Config{LeadKeyPrefix: "bici:lead:"})
		remember(t, n)
		if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
			t.Fatal(err)
		}
		s.wantKeys(t, "bici:lead:"+digits+":"+defaultOrg, "bici:org:"+phone)
	})
	// Two fleets whose databases differ and whose Redis does not.
	t.Run("one before all keys, so that several environments share a Redis", func(t *testing.T) {
		s := start(t)
		lead := find(t, s.a(t), phone)
		want, err := s.a(t).UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
		if err != nil {
			t.Fatal(err)
		}
		find(t, s.a(t), phone)

		other := newFleet(t)
		n := other.nodeWith(t, tiered.RedisOptions{URL: s.redisURL, Prefix: s.prefix + "staging:", Timeout: soon}, leadsvc.Config{})
		servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
		if got := remember(t, n); got.ID == want.ID || got.CustomerName.Valid {
			t.Errorf("FindOrCreateLead = %+v, want a lead of that environment", got)
		}
		s.wantKeys(t, digits+":"+defaultOrg, "staging:"+digits+":"+defaultOrg)

		if err := n.InvalidateLeadCaches(t.Context(), want.ID, phone, defaultOrg); err != nil {
			t.Fatal(err)
		}
		s.wantKeys(t, digits+":"+defaultOrg)
		if got := find(t, s.b(t), phone); got != want {
			t.Errorf("FindOrCreateLead = %+v, want %+v", got, want)
		}
	})
	t.Run("TTLs are defaults, each settable", func(t *testing.T) {
		s := start(t)
		n := s.node(t, leadsvc.Config{
			LeadTTL: 1 * time.Hour, OrganizationTTL: 2 * time.Hour, NotFoundTTL: 30 * time.Minute, ContextTTL: 3 * time.Hour,
			ConversationsTTL: 4 * time.Hour, SummariesTTL: 5 * time.Hour, SessionTTL: 6 * time.Hour, GreetingTTL: 7 * time.Hour,
		})
		lead := find(t, n, phone)
		s.speak(t, lead, "hello")
		ask(t, n, lead)
		wantNoLead(t, n, "6045550000", defaultOrg)
		if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
			t.Fatal(err)
		}
		for key, ttl := range map[string]time.Duration{
			digits + ":" + defaultOrg:     1 * time.Hour,
			"bici:org:" + phone:           2 * time.Hour,
			"16045550000:" + defaultOrg:   30 * time.Minute,
			"bici:ctx:" + lead.ID:         3 * time.Hour,
			"bici:conv:" + lead.ID + ":7": 4 * time.Hour,
			"bici:sum:" + lead.ID:         5 * time.Hour,
			"bici:sess:" + lead.ID:        6 * time.Hour,
			"bici:greet:" + lead.ID:       7 * time.Hour,
		} {
			s.wantTTL(t, key, ttl)
		}
	})
	// The entries last for so long that what is left of their time shows chance
	// alone.
	t.Run("with jitter, so that entries filled together do not expire together", func(t *testing.T) {
		s := start(t)
		const ttl = 1000 * time.Hour
		n := s.node(t, leadsvc.Config{OrganizationTTL: ttl})
		var left []time.Duration
		for i := range 20 {
			number := fmt.Sprint(7780000000 + i)
			if _, err := n.OrganizationByPhone(t.Context(), number); err != nil {
				t.Fatal(err)
			}
			left = append(left, s.ttl(t, "bici:org:"+number))
		}
		low, high := slices.Min(left), slices.Max(left)
		if low < ttl*9/10-time.Hour || high > ttl {
			t.Errorf("entries last %v to %v, want 90 to 100 %% of %v", low, high, ttl)
		}
		if high-low < ttl/100 {
			t.Errorf("entries last %v to %v, want them to differ", low, high)
		}
	})
	t.Run("cached: the database is not asked, on any node", func(t *testing.T) {
		s := start(t)
		lead := s.filled(t)
		s.wantOrganization(t, 0, phone, "Default")
		sent := s.nodes[0].db.Queries()
		for range 3 {
			for i := range s.nodes {
				ask(t, s.call(t, i), lead)
				s.wantOrganization(t, i, phone, "Default")
				find(t, s.call(t, i), phone)
			}
		}
		if q := s.nodes[0].db.Queries() - sent; q != 0 {
			t.Errorf("the node that filled sent %d statements, want none", q)
		}
		if q := s.nodes[1].db.Queries(); q != 0 {
			t.Errorf("the other node sent %d statements, want none", q)
		}
	})
}

// filled returns the lead with the number phone, with all that belongs to it,
// as the first node remembers it.
func (s *scene) filled(t testing.TB) leadsvc.Lead {
	t.Helper()
	lead := find(t, s.a(t), phone)
	s.speak(t, lead, "hello")
	ask(t, s.a(t), lead)
	return lead
}

// spokenKeys are the keys of a lead that hold what was said.
func spokenKeys(lead leadsvc.Lead) []string {
	keys := []string{"bici:ctx:" + lead.ID, "bici:greet:" + lead.ID}
	for _, limit := range limits {
		keys = append(keys, fmt.Sprintf("bici:conv:%s:%d", lead.ID, limit))
	}
	return keys
}

// keysOf are all keys of a lead.
func keysOf(lead leadsvc.Lead) []string {
	return append(spokenKeys(lead), lead.PhoneNumberNormalized+":"+lead.OrganizationID, "bici:sum:"+lead.ID, "bici:sess:"+lead.ID)
}

// wantHeld fails unless Redis holds these keys, and maybe others.
func (f *fleet) wantHeld(t testing.TB, keys ...string) {
	t.Helper()
	held := f.keys(t)
	if missing := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(held, key) }); len(missing) > 0 {
		t.Errorf("Redis does not hold %q", missing)
	}
}

// wantGone fails if Redis holds one of these keys.
func (f *fleet) wantGone(t testing.TB, keys ...string) {
	t.Helper()
	if left := slices.DeleteFunc(f.keys(t), func(key string) bool { return !slices.Contains(keys, key) }); len(left) > 0 {
		t.Errorf("Redis still holds %q", left)
	}
}
