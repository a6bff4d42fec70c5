package leadsvc_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviourWithRedisOff is about REDIS_ENABLED=false.
func TestBehaviourWithRedisOff(t *testing.T) {
	t.Parallel()
	t.Run("no Redis connection is ever opened", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var connections atomic.Int64
		var work sync.WaitGroup
		work.Go(func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				connections.Add(1)
				conn.Close()
			}
		})
		s := withoutRedis(t)
		s.options = tiered.RedisOptions{URL: "redis://" + l.Addr().String(), Disabled: true}
		n := s.add(t, leadsvc.Config{})
		lead := find(t, n, phone)
		s.speak(t, lead, "hello")
		ask(t, n, lead)
		if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); err != nil {
			t.Errorf("UpdateLead: %v", err)
		}
		if err := n.InvalidateLeadCaches(t.Context(), lead.ID, phone, defaultOrg); err != nil {
			t.Errorf("InvalidateLeadCaches: %v", err)
		}
		n.Close()
		n.link.Close()
		l.Close()
		work.Wait()
		if c := connections.Load(); c != 0 {
			t.Errorf("%d connections, want none", c)
		}
	})

	t.Run("the local tier is off as well", func(t *testing.T) {
		t.Parallel()
		s := withoutRedis(t)
		lead := s.filled(t)
		n := s.nodes[0]
		s.wantOrganization(t, 0, phone, "Default")
		sent := n.db.Queries()
		ask(t, n, lead)
		s.wantOrganization(t, 0, phone, "Default")
		if q := n.db.Queries() - sent; q < uint64(6+len(limits)) {
			t.Errorf("%d statements, want one at least for each call", q)
		}
		for name, st := range n.Stats() {
			if st.LocalHits != 0 || st.Entries != 0 || st.Gets == 0 {
				t.Errorf("%s: the local tier answered: %+v", name, st)
			}
		}
	})

	t.Run("concurrent misses still collapse", func(t *testing.T) {
		t.Parallel()
		s := withoutRedis(t)
		s.options.MaxStale = soon // as long as a load may be shared
		n := s.add(t, leadsvc.Config{})
		want := find(t, n, phone)
		sent, asked := n.db.Queries(), n.Stats()["lead"].Gets
		const callers = 64
		show := s.hideLeads(t)
		var work sync.WaitGroup
		for range callers {
			work.Go(func() {
				if got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil || got != want {
					t.Errorf("FindLeadByPhone = %+v, %v, want %+v", got, err, want)
				}
			})
		}
		servertest.Eventually(t, soon, func() bool { return n.Stats()["lead"].Gets == asked+callers && s.blocked(t) > 0 }, "all to ask")
		show()
		work.Wait()
		if q := n.db.Queries() - sent; q != 1 {
			t.Errorf("%d statements for %d callers, want 1", q, callers)
		}
	})
}
