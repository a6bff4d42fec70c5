package pg_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestAppendMessage(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := setup(t)
			lead := addLead(t, db, "17786528784")
			say := func(content string, at time.Time) pg.Conversation {
				t.Helper()
				c, err := db.AppendMessage(t.Context(), pg.Message{
					LeadID: lead.ID, Content: content,
					SentBy: pg.SenderUser, Type: pg.ChannelSMS, Timestamp: at, Metadata: `{"n": 1}`,
				})
				if err != nil {
					t.Fatalf("AppendMessage: %v", err)
				}
				return c
			}
			noon := time.Date(2024, 1, 1, 12, 0, 0, 1000, time.UTC)
			second := say("second", noon.Add(time.Minute))
			first := say("first", noon)
			third := say("third", time.Time{}) // now

			if first.LeadID != lead.ID || first.OrganizationID != defaultOrg || first.PhoneNumberNormalized.String != "17786528784" ||
				first.Content != "first" || first.SentBy != pg.SenderUser || first.Type != pg.ChannelSMS ||
				first.Timestamp != noon || first.Metadata != `{"n":1}` {
				t.Errorf("AppendMessage = %+v", first)
			}
			roundTrip(t, first)

			for limit, want := range map[int][]pg.Conversation{
				1: {third}, 2: {second, third}, 3: {first, second, third}, 1000: {first, second, third},
			} {
				got, err := db.Conversations(t.Context(), lead.ID, limit)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("Conversations(%d) = %+v, %v, want %+v", limit, got, err, want)
				}
			}
			if _, err := db.Conversations(t.Context(), lead.ID, 0); !errors.Is(err, pg.ErrInvalid) {
				t.Errorf("Conversations(0): %v, want ErrInvalid", err)
			}
			for _, id := range []string{"nobody", "22222222-2222-2222-2222-222222222222", "\x00"} {
				if got, err := db.Conversations(t.Context(), id, 5); err != nil || got == nil || len(got) != 0 {
					t.Errorf("Conversations of lead %q = %v, %v, want none", id, got, err)
				}
				_, err := db.AppendMessage(t.Context(), pg.Message{LeadID: id, SentBy: pg.SenderUser, Type: pg.ChannelSMS, ExternalID: "SM1"})
				if !errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("AppendMessage to lead %q: %v, want ErrNotFound", id, err)
				}
			}
			for name, m := range map[string]pg.Message{
				"sender":   {LeadID: lead.ID, Type: pg.ChannelSMS},
				"type":     {LeadID: lead.ID, SentBy: pg.SenderUser, Type: "fax"},
				"metadata": {LeadID: lead.ID, SentBy: pg.SenderUser, Type: pg.ChannelSMS, Metadata: "{"},
				"content":  {LeadID: lead.ID, SentBy: pg.SenderUser, Type: pg.ChannelSMS, Content: "\x00"},
				"time":     {LeadID: lead.ID, SentBy: pg.SenderUser, Type: pg.ChannelSMS, Timestamp: noon.AddDate(8000, 0, 0)},
			} {
				if _, err := db.AppendMessage(t.Context(), m); !errors.Is(err, pg.ErrInvalid) {
					t.Errorf("AppendMessage with bad %s: %v, want ErrInvalid", name, err)
				}
			}
		})
	}
}

// A lead that is deleted while a message comes is not found; one that is there
// is, even if its organization is not.
func TestAppendMessageWithoutItsRows(t *testing.T) {
	t.Parallel()
	db, url := textIDs(t)
	lead, orphan := addLead(t, db, "17786528784"), addLead(t, db, "16045550000")
	add := func(id string) error {
		_, err := db.AppendMessage(t.Context(), pg.Message{LeadID: id, SentBy: pg.SenderUser, Type: pg.ChannelSMS})
		return err
	}

	other := connect(t, url)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `DELETE FROM leads WHERE id = $1`, lead.ID); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- add(lead.ID) }()
	servertest.Eventually(t, 30*time.Second, func() bool { return waiting(t, url, other) == 1 }, "AppendMessage to wait")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, tiered.ErrNotFound) {
		t.Errorf("AppendMessage to a lead that was deleted meanwhile: %v, want ErrNotFound", err)
	}

	exec(t, url, `ALTER TABLE leads DROP CONSTRAINT leads_organization_id_fkey; DELETE FROM organizations`)
	if err := add(orphan.ID); !errors.Is(err, pg.ErrUnknownOrganization) || errors.Is(err, tiered.ErrNotFound) {
		t.Errorf("AppendMessage to a lead whose organization is gone: %v, want ErrUnknownOrganization", err)
	}
}

// A carrier that delivers a message again, to any node, has it stored once.
func TestAppendMessageRace(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := setup(t)
			const callers, messages = 16, 20
			lead, other := addLead(t, db, "17786528784"), addLead(t, db, "16045550000")
			var work sync.WaitGroup
			for range callers {
				work.Go(func() {
					for i := range messages {
						m := pg.Message{
							LeadID: lead.ID, Content: fmt.Sprint(i), SentBy: pg.SenderUser, Type: pg.ChannelSMS,
							ExternalID: fmt.Sprint("SM", i),
						}
						if c, err := db.AppendMessage(t.Context(), m); err != nil || c.Content != m.Content {
							t.Errorf("AppendMessage = %+v, %v", c, err)
							return
						}
					}
				})
			}
			work.Wait()
			if got, err := db.Conversations(t.Context(), lead.ID, 1000); err != nil || len(got) != messages {
				t.Errorf("%d messages are stored (%v), want %d", len(got), err, messages)
			}
			c, err := db.AppendMessage(t.Context(), pg.Message{
				LeadID: other.ID, Content: "own",
				SentBy: pg.SenderUser, Type: pg.ChannelSMS, ExternalID: "SM0",
			})
			if err != nil || c.Content != "own" || c.LeadID != other.ID {
				t.Errorf("the same name at another lead: %+v, %v, want a message of its own", c, err)
			}
		})
	}
}

// What a lead said to an organization before it moved to another is none of
// the other's business, and what is sent to the one is not stored for the other.
func TestLeadThatMoved(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const there = "b0c1b1c1-0000-0000-0000-00000000000a"
			db, url := setup(t)
			lead := addLead(t, db, "17786528784")
			exec(t, url, `INSERT INTO organizations (id, name) VALUES ('`+there+`', 'There')`)
			say := func(organizationID, content string) error {
				t.Helper()
				_, err := db.AppendMessage(t.Context(), pg.Message{
					LeadID: lead.ID, OrganizationID: organizationID, Content: content,
					SentBy: pg.SenderUser, Type: pg.ChannelSMS, ExternalID: content,
				})
				return err
			}
			want := func(content string, summaries int, sid string) {
				t.Helper()
				said, err := db.Conversations(t.Context(), lead.ID, 1)
				if err != nil || len(said) != 1 || said[0].Content != content {
					t.Errorf("Conversations = %+v, %v, want %q", said, err, content)
				}
				if all, err := db.Summaries(t.Context(), lead.ID); err != nil || len(all) != summaries {
					t.Errorf("%d summaries, %v, want %d", len(all), err, summaries)
				}
				if s, err := db.CallSession(t.Context(), lead.ID); s.CallSID.String != sid || err != nil && sid != "" {
					t.Errorf("CallSession = %+v, %v, want %q", s, err, sid)
				}
			}
			move := func(to string) {
				t.Helper()
				if _, _, err := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{OrganizationID: pg.Set(to)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(say(lead.OrganizationID, "here"), say("", "to whomever")); err != nil {
				t.Fatal(err)
			}
			exec(t, url, `INSERT INTO conversation_summaries (organization_id, lead_id, summary) SELECT organization_id, id, 'x' FROM leads`)
			exec(t, url, `INSERT INTO call_sessions (organization_id, lead_id, call_sid) SELECT organization_id, id, 'CA1' FROM leads`)
			move(there)
			if err := say(lead.OrganizationID, "late"); !errors.Is(err, tiered.ErrNotFound) {
				t.Errorf("to the organization that it has left: %v, want ErrNotFound", err)
			}
			if err := say(there, "here"); !errors.Is(err, pg.ErrConflict) {
				t.Errorf("under the name of a message that another organization has: %v, want ErrConflict", err)
			}
			if err := errors.Join(say(lead.OrganizationID, "here"), say(there, "there")); err != nil {
				t.Errorf("again to the one that has it, and to the one of now: %v", err)
			}
			want("there", 0, "")
			move(lead.OrganizationID)
			want("to whomever", 1, "CA1")
		})
	}
}

func TestSummariesAndCallSession(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			lead := addLead(t, db, "17786528784")
			if got, err := db.Summaries(t.Context(), lead.ID); err != nil || got == nil || len(got) != 0 {
				t.Errorf("Summaries = %v, %v, want none", got, err)
			}
			if _, err := db.CallSession(t.Context(), lead.ID); !errors.Is(err, tiered.ErrNotFound) {
				t.Errorf("CallSession: %v, want ErrNotFound", err)
			}
			exec(t, url, `INSERT INTO conversation_summaries (organization_id, lead_id, summary, key_points, created_at)
			SELECT organization_id, id, n::text, '["a", "b"]', '2024-01-01'::timestamptz + n * interval '1 hour'
			FROM leads, generate_series(1, 120) n`)
			exec(t, url, `INSERT INTO call_sessions (organization_id, lead_id, call_sid, status, started_at, ended_at)
			SELECT organization_id, id, 'CA' || n, 'completed', '2024-01-01'::timestamptz + n * interval '1 hour',
				CASE n WHEN 1 THEN now() END
			FROM leads, generate_series(1, 2) n`)

			got, err := db.Summaries(t.Context(), lead.ID)
			if err != nil || len(got) != 100 || got[0].Summary != "120" || got[99].Summary != "21" ||
				got[0].KeyPoints != `["a","b"]` || got[0].LeadID != lead.ID {
				t.Errorf("Summaries = %d of them, %v, want the last 100, the newest first", len(got), err)
			}
			s, err := db.CallSession(t.Context(), lead.ID)
			if err != nil || s.CallSID.String != "CA2" || s.EndedAt.Valid || s.LeadID != lead.ID || s.OrganizationID != defaultOrg {
				t.Errorf("CallSession = %+v, %v, want the newest", s, err)
			}
			roundTrip(t, s)
			roundTrip(t, got[0])
		})
	}
}
