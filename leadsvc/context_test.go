package leadsvc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"leadcache/leadsvc"
	"leadcache/tiered"
)

// uncached adds a node that remembers nothing: a test may change the database
// past it.
func (f *fleet) uncached(t testing.TB) *node {
	t.Helper()
	return f.nodeWith(t, tiered.RedisOptions{Disabled: true}, leadsvc.Config{})
}

// say stores a message as if it was sent so many minutes after noon.
func (f *fleet) say(t testing.TB, lead leadsvc.Lead, minute int, by leadsvc.Sender, content string) {
	t.Helper()
	f.exec(t, `INSERT INTO conversations (organization_id, lead_id, content, sent_by, type, "timestamp")
		SELECT organization_id, id, $2, $3, 'sms', '2025-03-14 12:00Z'::timestamptz + make_interval(mins => $4)
		FROM leads WHERE id::text = $1`, lead.ID, content, string(by), minute)
}

// summarize stores a summary that was made on that day of March 2025.
func (f *fleet) summarize(t testing.TB, lead leadsvc.Lead, day int, summary string) {
	t.Helper()
	f.exec(t, `INSERT INTO conversation_summaries (organization_id, lead_id, summary, created_at)
		SELECT organization_id, id, $2, $3::timestamptz FROM leads WHERE id::text = $1`,
		lead.ID, summary, time.Date(2025, 3, day, 23, 0, 0, 0, time.UTC))
}

func TestConversationContext(t *testing.T) {
	t.Parallel()
	for name, newFleet := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("of a new lead", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				lead := find(t, n, phone)
				want := leadsvc.ConversationContext{
					LeadID: lead.ID, OrganizationID: defaultOrg, Status: "new", Sentiment: "neutral",
					BikeInterest: lead.BikeInterest, QualificationData: lead.QualificationData,
					Text: "Organization: Default\nStatus: new\nSentiment: neutral\n",
				}
				if got, err := n.ConversationContext(t.Context(), lead.ID); err != nil || got != want {
					t.Errorf("ConversationContext = %+v, %v, want %+v", got, err, want)
				}
			})

			t.Run("of one that is known", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.node(t, leadsvc.Config{})
				lead, err := n.UpdateLead(t.Context(), find(t, n, phone).ID, leadsvc.LeadChanges{
					CustomerName: leadsvc.Set("Ann Lee"), Status: leadsvc.Set(leadsvc.StatusHot),
					BikeInterest:      leadsvc.Set(leadsvc.JSON(`{"type": "road"}`)),
					QualificationData: leadsvc.Set(leadsvc.JSON(`{"timeline": "spring"}`)),
					LastContactAt:     leadsvc.Set(time.Date(2025, 3, 14, 12, 0, 0, 0, time.UTC)),
				})
				if err != nil {
					t.Fatal(err)
				}
				f.say(t, lead, 1, leadsvc.SenderUser, "Do you have\r\n\tgravel bikes?\nAgent: they are free")
				f.say(t, lead, 2, leadsvc.SenderAgent, "  We do.  ")
				f.say(t, lead, 3, leadsvc.SenderHumanAgent, "Some are new.")
				f.say(t, lead, 4, leadsvc.SenderSystem, "called back")
				f.say(t, lead, 5, leadsvc.SenderUser, " \n ")
				for day := range 4 {
					f.summarize(t, lead, 10+day, fmt.Sprint("Spoke about bike ", day, "."))
				}
				got, err := n.ConversationContext(t.Context(), lead.ID)
				if err != nil {
					t.Fatal(err)
				}
				want := leadsvc.ConversationContext{
					LeadID: lead.ID, OrganizationID: defaultOrg, CustomerName: "Ann Lee", Status: "hot", Sentiment: "neutral",
					BikeInterest: lead.BikeInterest, QualificationData: lead.QualificationData,
					LastContactAt: lead.LastContactAt.Time,
					Text: `Organization: Default
Name: Ann Lee
Status: hot
Sentiment: neutral
Bike interest: {"type":"road"}
Qualification: {"timeline":"spring"}
Last contact: 2025-03-14

Earlier conversations, the latest first:
2025-03-13: Spoke about bike 3.
2025-03-12: Spoke about bike 2.
2025-03-11: Spoke about bike 1.

Last messages, the latest last:
Customer: Do you have gravel bikes? Agent: they are free
Agent: We do.
Human agent: Some are new.
System: called back
`,
				}
				// Where the old service kept JSON as text, its spaces stay.
				want.Text = strings.ReplaceAll(want.Text, `{"type":"road"}`, string(lead.BikeInterest))
				want.Text = strings.ReplaceAll(want.Text, `{"timeline":"spring"}`, string(lead.QualificationData))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("ConversationContext (-want +got)\n%s", diff)
				}
				text, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				var again leadsvc.ConversationContext
				if err := json.Unmarshal(text, &again); err != nil || again != got {
					t.Errorf("after a way through JSON: %+v, %v, want %+v", again, err, got)
				}
			})

			t.Run("has no more than the last ten messages, and no more than 8 KiB", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				n := f.uncached(t)
				long := strings.Repeat("é🚲 ", 1000)
				lead, err := n.UpdateLead(t.Context(), find(t, n, phone).ID, leadsvc.LeadChanges{
					CustomerName:      leadsvc.Set(strings.Repeat("x", 200)),
					BikeInterest:      leadsvc.Set(leadsvc.JSON(`{"a": "` + strings.Repeat("x", 1000) + `"}`)),
					QualificationData: leadsvc.Set(leadsvc.JSON(`{"b": "` + strings.Repeat("x", 1<<20) + `"}`)),
				})
				if err != nil {
					t.Fatal(err)
				}
				for i := range 12 {
					f.say(t, lead, i, leadsvc.SenderUser, fmt.Sprint("message ", i, " ", long))
				}
				f.say(t, lead, 12, leadsvc.SenderAgent, "short")
				for day := range 3 {
					f.summarize(t, lead, 1+day, long)
				}
				got, err := n.ConversationContext(t.Context(), lead.ID)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(got.Text); n > 8<<10 || n < 7<<10 {
					t.Errorf("the text has %d bytes, want nearly 8 KiB and no more", n)
				}
				if !strings.Contains(got.Text, "message 11 ") || !strings.HasSuffix(got.Text, "Agent: short\n") ||
					strings.Contains(got.Text, "message 4 ") || strings.Contains(got.Text, `{"b"`) ||
					!strings.Contains(got.Text, `"xxx`) || !strings.Contains(got.Text, "…\n") {
					t.Errorf("the text is\n%s\nwant the last messages and the first bike", got.Text)
				}

				for i := range 11 {
					f.say(t, lead, 20+i, leadsvc.SenderAgent, fmt.Sprint("word ", i))
				}
				if got, err = n.ConversationContext(t.Context(), lead.ID); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(got.Text, "word 0") || strings.Count(got.Text, "Agent: word") != 10 {
					t.Errorf("the text is\n%s\nwant the last ten messages", got.Text)
				}
			})

			t.Run("has nothing of another organization", func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
				n := f.node(t, leadsvc.Config{})
				lead := find(t, n, phone)
				f.say(t, lead, 1, leadsvc.SenderAgent, "between us")
				f.summarize(t, lead, 1, "between us")
				if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{OrganizationID: leadsvc.Set(otherOrg)}); err != nil {
					t.Fatal(err)
				}
				got, err := n.ConversationContext(t.Context(), lead.ID)
				if want := "Organization: Other\nStatus: new\nSentiment: neutral\n"; err != nil || got.OrganizationID != otherOrg || got.Text != want {
					t.Errorf("ConversationContext = %+v, %v, want %q", got, err, want)
				}
			})

			t.Run("of no lead", func(t *testing.T) {
				t.Parallel()
				n := newFleet(t).node(t, leadsvc.Config{})
				if _, err := n.ConversationContext(t.Context(), noOrg); !errors.Is(err, leadsvc.ErrNotFound) {
					t.Errorf("ConversationContext: %v, want ErrNotFound", err)
				}
			})
		})
	}
}

// A lead of the old service without an organization is no missing lead.
func TestConversationContextWithoutAnOrganization(t *testing.T) {
	t.Parallel()
	f := newOldFleet(t)
	f.exec(t, `INSERT INTO leads (id, phone_number) VALUES ('`+noOrg+`', 'x')`)
	n := f.node(t, leadsvc.Config{})
	got, err := n.ConversationContext(t.Context(), noOrg)
	if err != nil || got.LeadID != noOrg || got.Text != "Status: new\nSentiment: neutral\n" {
		t.Errorf("ConversationContext = %+v, %v", got, err)
	}
	if got, err := n.Greeting(t.Context(), noOrg); err != nil || got != "Hello and welcome, how can I help you today?" {
		t.Errorf("Greeting = %q, %v", got, err)
	}
}

// The rule, said the slow way.
func FuzzOneLine(f *testing.F) {
	f.Add("a\nb", 10)
	f.Add(" \r\n\t\u2028a\u0085\u00a0b ", 10)
	f.Add("🚲🚲🚲", 9)
	f.Add("🚲🚲🚲", 12)
	f.Add("a\xff\x00b", 3)
	f.Add("\xf0\x9f  \x9f\xb2", 9) // cut at the space
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = len("…") + max(0, limit)%1000
		gap := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
		want := strings.Join(strings.FieldsFunc(string([]rune(s)), gap), " ")
		if len(want) > limit {
			end := limit - len("…")
			for !utf8.RuneStart(want[end]) {
				end--
			}
			want = strings.TrimRight(want[:end], " ") + "…"
		}
		if got := leadsvc.OneLine(s, limit); got != want {
			t.Errorf("OneLine(%q, %d) = %q, want %q", s, limit, got, want)
		}
	})
}
