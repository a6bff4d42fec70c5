package leadsvc_test

import (
	"errors"
	"testing"

	"leadcache/leadsvc"
)

func TestGreeting(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			n := f.uncached(t)
			f.exec(t, `UPDATE organizations SET name = 'Bici' WHERE id::text = $1`, defaultOrg)
			lead := find(t, n, phone)
			want := func(when, greeting string) {
				t.Helper()
				if got, err := n.Greeting(t.Context(), lead.ID); err != nil || got != greeting {
					t.Errorf("%s: Greeting = %q, %v, want %q", when, got, err, greeting)
				}
			}
			rename := func(to leadsvc.Change[string]) {
				t.Helper()
				if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{CustomerName: to}); err != nil {
					t.Fatal(err)
				}
			}
			want("a new lead", "Hello and welcome to Bici, how can I help you today?")
			f.say(t, lead, 1, leadsvc.SenderUser, "hi")
			f.say(t, lead, 2, leadsvc.SenderSystem, "received")
			want("its first message was stored", "Hello and welcome to Bici, how can I help you today?")
			rename(leadsvc.Set("Ann Lee"))
			want("a known lead", "Hello, Ann Lee, thank you for contacting Bici, how can I help you today?")
			f.say(t, lead, 3, leadsvc.SenderAgent, "hello")
			want("a returning lead", "Welcome back to Bici, Ann Lee, how can I help you today?")
			rename(leadsvc.Set(" Ann\nLee "))
			want("a name of two lines", "Welcome back to Bici, Ann Lee, how can I help you today?")
			rename(leadsvc.Null[string]())
			want("a returning lead without a name", "Welcome back to Bici, how can I help you today?")
			f.exec(t, `UPDATE conversations SET sent_by = 'human_agent' WHERE sent_by = 'agent'`)
			want("answered by a person", "Welcome back to Bici, how can I help you today?")
			f.exec(t, `DELETE FROM conversations`)
			want("all is forgotten", "Hello and welcome to Bici, how can I help you today?")
			f.summarize(t, lead, 1, "We spoke.")
			want("a summary is left", "Welcome back to Bici, how can I help you today?")

			if _, err := n.Greeting(t.Context(), noOrg); !errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("Greeting of no lead: %v, want ErrNotFound", err)
			}
		})
	}
}
