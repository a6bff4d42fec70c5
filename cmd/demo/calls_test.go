package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"leadcache/tiered"
)

func TestNewCall(t *testing.T) {
	o := organization{id: "org", number: "+16045550101"}
	ours := map[string]bool{o.number: true, o.number[1:]: true}
	seen := make(map[bool]int)
	for range 200 {
		k := newCall("CA1", customer{"16045550177", "org"}, o)
		outbound := k.Initiation != nil
		seen[outbound]++
		if !ours[k.ours()] || outbound && ours[k.CalledNumber] || !outbound && ours[k.CallerID] {
			t.Fatalf("newCall = %+v, want the organization's number on one side", k)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("outbound, or not: %v, want both", seen)
	}
	for range 50 {
		if k := newCall("CA1", customer{organization: "org"}, o); k.Initiation != nil || k.CallerID != "anonymous" {
			t.Fatalf("newCall = %+v, want a call from nobody", k)
		}
	}
}

func TestOutdated(t *testing.T) {
	for _, test := range []struct {
		name string
		b    briefing
		want string
	}{
		{"all new", briefing{CustomerName: "Ann", Greeting: "Hello Ann!", Context: "Ann rides."}, ""},
		{"no context yet", briefing{CustomerName: "Ann", Greeting: "Hello Ann!"}, ""},
		{"old variable", briefing{CustomerName: "Bea", Greeting: "Hello Ann!"}, "customer_name"},
		{"old greeting", briefing{CustomerName: "Ann", Greeting: "Hello Bea!"}, "greeting"},
		{"old context", briefing{CustomerName: "Ann", Greeting: "Hello Ann!", Context: "Bea rides."}, "context"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.b.outdated("Ann"); got != test.want {
				t.Errorf("outdated = %q, want %q", got, test.want)
			}
		})
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	const good = `{"type":"conversation_initiation_client_data","dynamic_variables":
		{"call_sid":"CA1","is_outbound":false,"dynamic_greeting":"Hello","lead_id":"a","organization_id":"org"}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The call's own agent_id says what to answer.
		var asked call
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		if asked.AgentID == "status" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if asked.AgentID != "untimed" {
			w.Header().Set("Cache-Source", "redis")
			w.Header().Set("Server-Timing", "lookup;dur=1.5")
		}
		from, to, _ := strings.Cut(asked.AgentID, "→")
		_, _ = w.Write([]byte(strings.Replace(good, from, to, 1)))
	}))
	defer server.Close()
	f := &fleet{client: server.Client()}
	n := &child{addr: strings.TrimPrefix(server.URL, "http://")}
	for _, test := range []struct{ name, agent, want string }{
		{"a good answer", "x→x", ""},
		{"another call", "CA1→CA2", "another call"},
		{"the other direction", "false→true", "another call"},
		{"another type", "initiation→end", "another type"},
		{"no greeting", "Hello→", "no greeting"},
		{"no JSON", "{→", "invalid character"},
		{"a status", "status", "status 503"},
		{"no times", "untimed", "no Cache-Source"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, u, err := f.brief(t.Context(), n, call{CallSID: "CA1", AgentID: test.agent})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("brief = %v, want an error with %q", err, test.want)
				}
				return
			}
			if err != nil || b.LeadID != "a" || b.OrganizationID != "org" || u != (lookup{tiered.SourceRedis, 1500 * time.Microsecond}) {
				t.Errorf("brief = %+v, %+v, %v, want lead, organization and look-ups", b, u, err)
			}
		})
	}
}
