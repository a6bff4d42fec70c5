package leadsvc_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

// answers calls every method and returns what it said, without what differs
// between two databases.
func answers(t *testing.T, n *node) []string {
	t.Helper()
	var said []string
	note := func(lead leadsvc.Lead, err error) {
		t.Helper()
		text := strings.Join([]string{
			lead.PhoneNumber, lead.PhoneNumberNormalized, lead.OrganizationID,
			lead.CustomerName.String, string(lead.Status), string(lead.BikeInterest),
		}, "|")
		if err != nil {
			text += err.Error()
		}
		said = append(said, text)
	}
	ctx := t.Context()
	note(n.FindLeadByPhone(ctx, phone, defaultOrg))
	note(n.FindOrCreateLead(ctx, phone, defaultOrg))
	lead, err := n.FindLeadByPhone(ctx, "778-652-8784", defaultOrg)
	note(lead, err)
	note(n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{
		CustomerName: leadsvc.Set("Ann"), BikeInterest: leadsvc.Set(leadsvc.JSON(`{"a" : "<b>"}`)),
	}))
	note(n.FindOrCreateLead(ctx, phone, defaultOrg))
	note(n.UpdateLead(ctx, lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set("604 555 0000")}))
	note(n.FindLeadByPhone(ctx, phone, defaultOrg))
	note(n.FindOrCreateLead(ctx, "6045550000", defaultOrg))
	note(n.FindOrCreateLead(ctx, phone, noOrg))
	note(n.FindOrCreateLead(ctx, "anonymous", defaultOrg))
	note(n.UpdateLead(ctx, noOrg, leadsvc.LeadChanges{}))
	for range 2 {
		org, err := n.OrganizationByPhone(ctx, phone)
		if err != nil {
			t.Errorf("OrganizationByPhone: %v", err)
		}
		said = append(said, org.ID, org.Name)
	}
	_, err = n.AppendMessage(ctx, leadsvc.Message{LeadID: lead.ID, Content: "hi", SentBy: leadsvc.SenderUser, Type: leadsvc.ChannelSMS})
	if err != nil {
		t.Errorf("AppendMessage: %v", err)
	}
	return said
}

// Identical results, cached or uncached: with Redis, with Redis switched off,
// with Redis down.
func TestResultsAreIdenticalWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	want := answers(t, f.node(t, leadsvc.Config{}))

	for name, o := range map[string]tiered.RedisOptions{
		"REDIS_ENABLED=false": {Disabled: true},
		"Redis down":          {URL: "redis://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			n := f.nodeWith(t, o, leadsvc.Config{})
			for i, got := range answers(t, n) {
				if got != want[i] {
					t.Errorf("answer %d is %q, want %q", i, got, want[i])
				}
			}
			f.wantKeys(t)
			if st := n.Stats(); o.Disabled && (st["lead"].LocalHits != 0 || st["lead"].Gets == 0) {
				t.Errorf("with Redis switched off the local tier answered: %+v", st["lead"])
			}
		})
	}
}

// Redis failures are logged at a limited rate and never returned.
func TestPendingInvalidationsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var out safeBuffer
	n := f.nodeWith(t, tiered.RedisOptions{URL: "redis://127.0.0.1:1"}, leadsvc.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	lead := find(t, n, phone)
	for range 20 {
		if _, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{}); err != nil {
			t.Fatalf("UpdateLead: %v", err)
		}
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines != 1 {
		t.Errorf("%d lines were logged, want 1:\n%s", lines, text)
	}
	if strings.Contains(text, "778652") || strings.Contains(text, defaultOrg) || strings.Contains(text, lead.ID) {
		t.Errorf("the log names the lead: %s", text)
	}
	if err := n.InvalidateLeadCaches(t.Context(), lead.ID, phone, defaultOrg); !errors.Is(err, leadsvc.ErrPending) {
		t.Errorf("InvalidateLeadCaches: %v, want ErrPending", err)
	}
	if err := n.InvalidateOrganizationCache(t.Context(), phone); !errors.Is(err, leadsvc.ErrPending) {
		t.Errorf("InvalidateOrganizationCache: %v, want ErrPending", err)
	}
}

// A value in Redis that cannot be decoded is a miss and is replaced.
func TestGarbageInRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	lead := find(t, f.node(t, leadsvc.Config{}), phone)
	key := f.prefix + digits + ":" + defaultOrg
	for _, garbage := range []string{"", "{}", `{"id":"old"}`, "null", "\x00\xff"} {
		if err := f.redis.Do(t.Context(), f.redis.B().Set().Key(key).Value(garbage).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		n := f.node(t, leadsvc.Config{})
		if got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil || got != lead {
			t.Errorf("FindLeadByPhone with %q in Redis = %+v, %v, want %+v", garbage, got, err, lead)
		}
		f.wantTTL(t, digits+":"+defaultOrg, 5*time.Minute)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	link, err := tiered.Dial(tiered.RedisOptions{Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	db, err := pg.Open(t.Context(), pg.Options{URL: "postgres://127.0.0.1:1/none"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for field, cfg := range map[string]leadsvc.Config{
		"LeadTTL":         {LeadTTL: -1},
		"OrganizationTTL": {OrganizationTTL: time.Microsecond},
		"NotFoundTTL":     {NotFoundTTL: -1},
		"LocalEntries":    {LocalEntries: -1},
		"LeadKeyPrefix":   {LeadKeyPrefix: "bici:org:"},
	} {
		if _, err := leadsvc.New(link, db, cfg); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("New(%+v): %v, want the name of %s", cfg, err, field)
		}
	}
	if _, err := leadsvc.New(nil, nil, leadsvc.Config{}); err == nil {
		t.Error("New accepted nothing")
	}
}

// A local hit allocates nothing.
func TestLocalHitDoesNotAllocate(t *testing.T) {
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	remember(t, n)
	if _, err := n.OrganizationByPhone(t.Context(), phone); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"FindOrCreateLead":    func() error { _, err := n.FindOrCreateLead(ctx, phone, defaultOrg); return err },
		"FindLeadByPhone":     func() error { _, err := n.FindLeadByPhone(ctx, phone, defaultOrg); return err },
		"OrganizationByPhone": func() error { _, err := n.OrganizationByPhone(ctx, phone); return err },
	} {
		var err error
		if allocs := testing.AllocsPerRun(200, func() { err = errors.Join(err, call()) }); allocs != 0 || err != nil {
			t.Errorf("%s allocates %v times (%v), want none", name, allocs, err)
		}
	}
}

// safeBuffer is a log that may be written while it is read.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
