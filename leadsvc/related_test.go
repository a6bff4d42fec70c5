package leadsvc_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

// say stores a message of a lead.
func say(t testing.TB, n *node, leadID, text string) {
	t.Helper()
	_, err := n.AppendMessage(t.Context(), leadsvc.Message{
		LeadID: leadID, Content: text, SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS,
	})
	if err != nil {
		t.Fatalf("AppendMessage: %v", err)
	}
}

// last returns the content of the newest of at most limit messages, and how
// many there were.
func last(t testing.TB, n *node, leadID string, limit int) string {
	t.Helper()
	all, err := n.Conversations(t.Context(), leadID, limit)
	if err != nil {
		t.Fatalf("Conversations: %v", err)
	}
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, %s", len(all), all[len(all)-1].Content)
}

// Conversations of every limit that any node has asked for are forgotten, not
// only of those that someone thought of.
func TestConversationsOfAnyLimit(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("PlainJSON=%v", plain), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			a, b := f.node(t, leadsvc.Config{PlainJSON: plain}), f.node(t, leadsvc.Config{PlainJSON: plain})
			lead, other := find(t, a, phone), find(t, a, "+16045550000")
			say(t, a, other.ID, "elsewhere")
			limits := []int{1, 3, 7, 20, 999, leadsvc.MaxConversations}
			for i, text := range []string{"one", "two", "three"} {
				say(t, a, lead.ID, text)
				for _, limit := range limits {
					want := fmt.Sprintf("%d, %s", min(limit, i+1), text)
					if got := last(t, a, lead.ID, limit); got != want {
						t.Errorf("on the node that stored it, limit %d: %s, want %s", limit, got, want)
					}
					servertest.Eventually(t, soon, func() bool { return last(t, b, lead.ID, limit) == want }, "the message on the other node")
					last(t, b, other.ID, limit)
				}
			}
			before := b.db.Queries()
			for _, limit := range limits {
				last(t, b, lead.ID, limit)
				last(t, b, other.ID, limit)
			}
			if n := b.db.Queries() - before; n != 0 {
				t.Errorf("%d queries for what is remembered, want none: a message of one lead is no news of another", n)
			}
		})
	}
}

// What the old service has stored of conversations, for the limits that it
// knows, is forgotten although no node has read it.
func TestConversationsOfTheOldService(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.node(t, leadsvc.Config{PlainJSON: true}), f.node(t, leadsvc.Config{PlainJSON: true})
	lead := find(t, a, phone)
	limits := []int{5, 10, 20}
	for i, write := range []func() error{
		func() error { say(t, a, lead.ID, "hello"); return nil },
		func() error { _, err := a.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); return err },
		func() error { return a.InvalidateLeadCaches(t.Context(), lead.ID, phone, defaultOrg) },
	} {
		for _, limit := range limits {
			key := fmt.Sprint(f.prefix, "bici:conv:", lead.ID, ":", limit)
			if err := f.redis.Do(t.Context(), f.redis.B().Set().Key(key).Value("[]").ExSeconds(120).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
		for _, limit := range limits {
			for _, n := range []*node{a, b} {
				if got := last(t, n, lead.ID, limit); got != "1, hello" {
					t.Errorf("after write %d, limit %d: %s, want the message", i, limit, got)
				}
			}
		}
	}
}

// What is longer than an identifier can be fills no cache.
func TestLongOrganizationID(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	long := strings.Repeat("x", 256)
	if _, err := n.FindLeadByPhone(t.Context(), phone, long); !errors.Is(err, leadsvc.ErrNotFound) {
		t.Errorf("FindLeadByPhone: %v, want ErrNotFound", err)
	}
	if _, err := n.FindOrCreateLead(t.Context(), phone, long); !errors.Is(err, leadsvc.ErrUnknownOrganization) {
		t.Errorf("FindOrCreateLead: %v, want ErrUnknownOrganization", err)
	}
	f.wantKeys(t)
}

// A number that is remembered as none is also forgotten as none.
func TestInvalidateLongNumber(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	long := strings.Repeat("1", 300)
	if _, err := n.OrganizationByPhone(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	f.exec(t, `UPDATE organizations SET name = 'Renamed' WHERE id = $1`, defaultOrg)
	if err := n.InvalidateOrganizationCache(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if org, err := n.OrganizationByPhone(t.Context(), long); err != nil || org.Name != "Renamed" {
		t.Errorf("OrganizationByPhone = %+v, %v, want the new name", org, err)
	}
}

// What a caller does to a slice that it was given changes no one else's.
func TestReturnedSlicesAreTheCallers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead := find(t, n, phone)
	say(t, n, lead.ID, "hello")
	f.exec(t, `INSERT INTO conversation_summaries (organization_id, lead_id, summary) VALUES ($1, $2, 'short')`, defaultOrg, lead.ID)
	for range 2 { // the second time from the local tier
		conversations, err := n.Conversations(t.Context(), lead.ID, 5)
		if err != nil || len(conversations) != 1 || conversations[0].Content != "hello" {
			t.Fatalf("Conversations = %+v, %v", conversations, err)
		}
		conversations[0].Content = "spoilt"
		summaries, err := n.Summaries(t.Context(), lead.ID)
		if err != nil || len(summaries) != 1 || summaries[0].Summary != "short" {
			t.Fatalf("Summaries = %+v, %v", summaries, err)
		}
		summaries[0].Summary = "spoilt"
	}
	if hits := n.Stats()["conversations"].LocalHits; hits != 1 {
		t.Errorf("%d local hits, want 1", hits)
	}
}

// What is asked for with what can be no identifier is nobody's, and is not
// remembered.
func TestNoIdentifier(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	for _, id := range []string{"", strings.Repeat("x", 256)} {
		if all, err := n.Conversations(t.Context(), id, 5); len(all) != 0 || all == nil || err != nil {
			t.Errorf("Conversations = %v, %v, want an empty slice", all, err)
		}
		if all, err := n.Summaries(t.Context(), id); len(all) != 0 || all == nil || err != nil {
			t.Errorf("Summaries = %v, %v, want an empty slice", all, err)
		}
		_, sessionErr := n.Session(t.Context(), id)
		_, contextErr := n.ConversationContext(t.Context(), id)
		_, greetingErr := n.Greeting(t.Context(), id)
		for _, err := range []error{sessionErr, contextErr, greetingErr} {
			if !errors.Is(err, leadsvc.ErrNotFound) {
				t.Errorf("an identifier of %d bytes: %v, want ErrNotFound", len(id), err)
			}
		}
	}
	for _, limit := range []int{-1, 0, leadsvc.MaxConversations + 1} {
		if _, err := n.Conversations(t.Context(), noOrg, limit); !errors.Is(err, leadsvc.ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
			t.Errorf("limit %d: %v, want ErrInvalid", limit, err)
		}
	}
	f.wantKeys(t)
}

// Another program can put one lead's values under the keys of another. Nobody
// gets them.
func TestValuesOfAnotherLead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var log safeBuffer
	n := f.node(t, leadsvc.Config{PlainJSON: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	f.exec(t, `INSERT INTO organizations (id, name) VALUES ($1, 'Other')`, otherOrg)
	lead := find(t, n, phone)
	stranger, err := n.FindOrCreateLead(t.Context(), phone, otherOrg)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []leadsvc.Lead{lead, stranger} {
		say(t, n, l.ID, "to "+l.ID)
		f.exec(t, `INSERT INTO conversation_summaries (organization_id, lead_id, summary) VALUES ($1, $2, 'short')`, l.OrganizationID, l.ID)
		f.exec(t, `INSERT INTO call_sessions (organization_id, lead_id, call_sid) VALUES ($1, $2, 'CA1')`, l.OrganizationID, l.ID)
	}
	answers := func(n *node) []any {
		t.Helper()
		var all []any
		note := func(v any, err error) {
			if err != nil {
				t.Errorf("%T: %v", v, err)
			}
			all = append(all, v)
		}
		ctx := t.Context()
		l, err := n.FindLeadByPhone(ctx, phone, defaultOrg)
		note(l, err)
		c, err := n.Conversations(ctx, lead.ID, 5)
		note(c, err)
		s, err := n.Summaries(ctx, lead.ID)
		note(s, err)
		cs, err := n.Session(ctx, lead.ID)
		note(cs, err)
		cc, err := n.ConversationContext(ctx, lead.ID)
		note(cc, err)
		return all
	}
	want := answers(n)
	if _, err := n.FindLeadByPhone(t.Context(), phone, otherOrg); err != nil {
		t.Fatal(err)
	}
	_, err = n.Conversations(t.Context(), stranger.ID, 5)
	_, err2 := n.Summaries(t.Context(), stranger.ID)
	_, err3 := n.Session(t.Context(), stranger.ID)
	_, err4 := n.ConversationContext(t.Context(), stranger.ID)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for _, key := range f.keys(t) { // the stranger's values under the lead's keys
		mine := strings.NewReplacer(stranger.ID, lead.ID, otherOrg, defaultOrg).Replace(key)
		if mine == key || strings.HasPrefix(key, "tiered:") {
			continue
		}
		if err := f.redis.Do(t.Context(), f.redis.B().Copy().Source(f.prefix+key).Destination(f.prefix+mine).Replace().Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	fresh := f.node(t, leadsvc.Config{PlainJSON: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		if diff := cmp.Diff(want, answers(fresh), cmp.Comparer(func(a, b leadsvc.Lead) bool { return a == b })); diff != "" {
			t.Errorf("with another lead's values in Redis (-want +got):\n%s", diff)
		}
	}
	var later safeBuffer
	healed := f.node(t, leadsvc.Config{PlainJSON: true, Logger: slog.New(slog.NewTextHandler(&later, nil))})
	if answers(healed); later.String() != "" {
		t.Errorf("the wrong values are still in Redis: %s", later.String())
	}
	text := log.String()
	if !strings.Contains(text, "another lead") || bytes.Contains([]byte(text), []byte(lead.ID)) || strings.Contains(text, digits) {
		t.Errorf("the log should say that, and not of whom: %s", text)
	}
}

// Nor is the lead of another number, of the same organization.
func TestLeadOfAnotherNumber(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{PlainJSON: true})
	lead := remember(t, n)
	other := find(t, n, "+16045550000")
	find(t, n, "+16045550000") // now Redis has it
	from, to := f.prefix+other.PhoneNumberNormalized+":"+defaultOrg, f.prefix+digits+":"+defaultOrg
	if done, err := f.redis.Do(t.Context(), f.redis.B().Copy().Source(from).Destination(to).Replace().Build()).AsBool(); err != nil || !done {
		t.Fatalf("COPY: %v, %v", done, err)
	}
	if got := find(t, f.node(t, leadsvc.Config{PlainJSON: true}), phone); got != lead {
		t.Errorf("FindOrCreateLead = %+v, want %+v", got, lead)
	}
}
