package leadsvc_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// TestBehaviourWithRedisInTrouble is about a Redis that dies, hangs or refuses.
func TestBehaviourWithRedisInTrouble(t *testing.T) {
	t.Parallel()
	t.Run("what is changed meanwhile is seen on every node", func(t *testing.T) {
		t.Parallel()
		for name, trouble := range map[string]func(testing.TB, *server.Redis){
			"hangs":   func(_ testing.TB, redis *server.Redis) { redis.Pause() },
			"OOM":     command("CONFIG", "SET", "maxmemory", "1"),
			"LOADING": load,
			// A master that was demoted: it answers reads and refuses the rest.
			"READONLY": command("REPLICAOF", "127.0.0.1", "1"),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				seenInTrouble(t, trouble)
			})
		}
	})

	// A call waits for Redis only where it asks it, and what hangs is an error.
	t.Run("after a few failures no call waits at all until it is back", func(t *testing.T) {
		t.Parallel()
		redis := servertest.Redis(t)
		s := withServer(t, redis, 0)
		n := s.nodes[0]
		errors := func() (sum uint64) {
			for _, st := range n.Stats() {
				sum += st.RedisErrors
			}
			return sum
		}
		lead := find(t, n, phone)
		s.speak(t, lead, "hello")
		redis.Pause()
		servertest.Eventually(t, soon, func() bool {
			ask(t, n, lead)
			return !n.link.Status().Connected
		}, "the node to give Redis up")
		before := errors()
		for i := range 100 {
			find(t, n, fmt.Sprint(7780000000+i))
		}
		if asked := errors() - before; asked != 0 || n.link.Status().Connected {
			t.Errorf("%d calls waited for a Redis that hangs, want none", asked)
		}
		redis.Resume()
		servertest.Eventually(t, soon, func() bool {
			find(t, n, phone)
			return len(s.keys(t)) > 0
		}, "Redis to be used again")
	})

	t.Run("errors counted, logged at a limited rate, never returned", func(t *testing.T) {
		t.Parallel()
		redis := servertest.Redis(t)
		s := withServer(t, redis, 0)
		var out safeBuffer
		s.options.Logger = slog.New(slog.NewTextHandler(&out, nil))
		n := s.nodeWith(t, s.options, leadsvc.Config{Logger: s.options.Logger})
		servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
		command("REPLICAOF", "127.0.0.1", "1")(t, redis)
		const calls = 50
		for i := range calls {
			lead := find(t, n, fmt.Sprint(7780000000+i))
			if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); err != nil {
				t.Errorf("UpdateLead: %v", err)
			}
		}
		if st := n.Stats()["lead"]; st.RedisErrors == 0 {
			t.Error("no errors were counted, until Redis was given up")
		}
		if st := n.link.Status(); st.Err == nil || st.Pending == 0 {
			t.Errorf("Status = %+v, want the last error and what is pending", st)
		}
		text := out.String()
		if lines := strings.Count(text, "\n"); lines == 0 || lines > calls/5 {
			t.Errorf("%d lines were logged of %d calls, want a few:\n%s", lines, calls, text)
		}
		if strings.Contains(text, "77800000") || strings.Contains(text, defaultOrg) {
			t.Errorf("the log names a lead: %s", text)
		}
	})

	// Redis comes back with a snapshot that is older than the change, which was
	// made by a node that is no more.
	t.Run("once Redis is back it is used again by itself, with nothing stale in it", func(t *testing.T) {
		t.Parallel()
		redis := servertest.Redis(t)
		s := withServer(t, redis, soon)
		lead := find(t, s.a(t), phone)
		s.speak(t, lead, "before")
		for _, n := range s.nodes {
			ask(t, n, lead)
		}
		command("SAVE")(t, redis)
		writer := s.node(t, leadsvc.Config{})
		redis.Kill()
		s.speak(t, lead, "after")
		row, err := writer.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Ann")})
		if err != nil {
			t.Fatalf("UpdateLead: %v", err)
		}
		writer.Close()
		writer.link.Close()
		s.restart(t, redis)
		// What the nodes knew before may be served for the default MaxStale.
		back := time.Now()
		servertest.Eventually(t, soon, func() bool { return time.Since(back) > time.Second }, "MaxStale to pass")
		for _, n := range s.nodes {
			if stale := ask(t, n, lead).stale(row); stale != "" {
				t.Errorf("a node answers as %s", stale)
			}
		}
		s.wantHeld(t, keysOf(lead)...)
		fresh := s.node(t, leadsvc.Config{})
		ask(t, fresh, lead)
		if q := fresh.db.Queries(); q != 0 {
			t.Errorf("another node sent %d statements, want none", q)
		}
	})

	t.Run("a value in Redis cannot be decoded: a miss, counted, replaced", func(t *testing.T) {
		t.Parallel()
		s := withRedis(t)
		lead := s.filled(t)
		s.wantOrganization(t, 0, phone, "Default")
		want := ask(t, s.nodes[0], lead)
		keys := append(keysOf(lead), "bici:org:"+phone)
		for _, garbage := range []string{"", "{}", "null", `{"id":"old"}`, "[1,2", "\x00\xff", "\xc7\x01\x01", strings.Repeat("9", 1<<16)} {
			for _, key := range keys {
				if err := s.redis.Do(t.Context(), s.redis.B().Set().Key(s.prefix+key).Value(garbage).Build()).Error(); err != nil {
					t.Fatal(err)
				}
			}
			n := s.node(t, leadsvc.Config{})
			if diff := cmp.Diff(want, ask(t, n, lead)); diff != "" {
				t.Errorf("with %.20q in Redis (-want +got):\n%s", garbage, diff)
			}
			if org, err := n.OrganizationByPhone(t.Context(), phone); err != nil || org.Name != "Default" {
				t.Errorf("with %.20q in Redis: OrganizationByPhone = %+v, %v", garbage, org, err)
			}
			var counted uint64
			for _, st := range n.Stats() {
				counted += st.Undecodable
			}
			if counted != uint64(len(keys)) {
				t.Errorf("with %.20q in Redis: %d were counted, want %d", garbage, counted, len(keys))
			}
			replaced := func(key string) bool { return s.ttl(t, key) > 0 }
			if left := slices.DeleteFunc(slices.Clone(keys), replaced); len(left) > 0 {
				t.Errorf("with %.20q in Redis: %q were not replaced", garbage, left)
			}
		}
	})
}

// seenInTrouble changes a lead that both nodes and Redis hold, after the
// trouble has begun.
func seenInTrouble(t *testing.T, trouble func(testing.TB, *server.Redis)) {
	t.Helper()
	redis := servertest.Redis(t, "--enable-debug-command", "yes")
	s := withServer(t, redis, 0)
	lead := find(t, s.a(t), phone)
	s.wantNews(t, lead, func(n *node) error {
		trouble(t, redis)
		_, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: leadsvc.Set("Zoe")})
		return err
	})
}
