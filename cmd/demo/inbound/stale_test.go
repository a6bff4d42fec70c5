package inbound_test

import (
	"net/http"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// staleTTL is long enough to remember all that a call looks up, and short
// enough to wait for its end.
const staleTTL = 2 * time.Second

// openStale returns a desk on a database of its own, whose service serves what
// has expired for so long.
func openStale(t *testing.T, cfg leadsvc.Config) (*desk, *server.Postgres) {
	t.Helper()
	postgres := servertest.Postgres(t)
	migrate(t, postgres.URL())
	redisURL := servertest.RedisURL(t)
	redis := tiered.RedisOptions{URL: redisURL, Prefix: servertest.Prefix(t, redisURL), Timeout: 5 * time.Second}
	d := openWith(t, postgres.URL(), redis, cfg, nil)
	d.sql = connect(t, postgres.URL())
	d.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, $2, $3)`, orgID, orgName, orgPhone)
	return d, postgres
}

// remembered makes calls until all that they look up is in this process, and
// returns the variables of the last.
func (d *desk) remembered(t *testing.T) (variables map[string]any) {
	t.Helper()
	for range 2 {
		variables, _ = d.call(t, callJSON(caller, orgPhone))
		if variables["data_is_stale"] != false {
			t.Fatalf("call = %v, want data that is not stale", variables)
		}
	}
	return variables
}

// A call goes on with what has expired while the database is out, and says so.
// A text, which is written down, does not.
func TestStaleCall(t *testing.T) {
	t.Parallel()
	d, postgres := openStale(t, leadsvc.Config{
		LeadTTL: staleTTL, OrganizationTTL: staleTTL, ContextTTL: staleTTL, GreetingTTL: staleTTL, ServeStale: time.Hour,
	})
	want := d.remembered(t)
	postgres.Kill()
	servertest.Eventually(t, 2*soon, func() bool {
		got, _ := d.call(t, callJSON(caller, orgPhone))
		for _, name := range []string{"lead_id", "organization_id", "organization_name", "conversation_context", "dynamic_greeting"} {
			if got[name] != want[name] {
				t.Fatalf("%s = %q, want %q", name, got[name], want[name])
			}
		}
		return got["data_is_stale"] == true
	}, "the data of a call to be stale")

	got := d.do(t, d.smsRequest(t, sms("SM1", caller)))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("sms = %d %s, want 503 and when to retry", got.status, got.body)
	}
	if got, err := say(t, d.dial(t), text("1")); err != nil || got.Error != "not available, try again" {
		t.Errorf("text = %+v, %v, want an error in it", got, err)
	}
	d.wantDiscretion(t)

	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.sql = connect(t, postgres.URL())
	servertest.Eventually(t, 2*soon, func() bool {
		got, _ := d.call(t, callJSON(caller, orgPhone))
		return got["data_is_stale"] == false
	}, "the data of a call to be fresh again")
	d.wantRows(t, 1, 0)
}

// What is said is stale as soon as any of it is: a context expires long before
// the lead.
func TestStaleContext(t *testing.T) {
	t.Parallel()
	d, postgres := openStale(t, leadsvc.Config{ContextTTL: staleTTL, GreetingTTL: staleTTL, ServeStale: time.Hour})
	want := d.remembered(t)
	postgres.Kill()
	<-time.After(staleTTL)
	got, _ := d.call(t, callJSON(caller, orgPhone))
	if got["conversation_context"] != want["conversation_context"] {
		t.Fatalf("call = %v, want the context as it was, %q", got, want["conversation_context"])
	}
	if got["data_is_stale"] != true {
		t.Errorf("data_is_stale = %v with a context that has expired, want true", got["data_is_stale"])
	}
}

// What is stale decides nothing that is written down: a number may have gone to
// another organization since.
func TestStaleOrganizationGetsNoLead(t *testing.T) {
	t.Parallel()
	d, _ := openStale(t, leadsvc.Config{OrganizationTTL: staleTTL, ServeStale: time.Hour})
	d.remembered(t)
	d.exec(t, `ALTER TABLE organizations RENAME COLUMN settings TO other`) // only look-ups of organizations fail
	<-time.After(staleTTL)
	const stranger = "+1 604 555 0178"
	form := sms("SM1", stranger)
	if got := d.do(t, d.smsRequest(t, form)); got.status != http.StatusServiceUnavailable {
		t.Errorf("sms = %d %s, want 503", got.status, got.body)
	}
	if got := d.do(t, d.callRequest(t, callJSON(stranger, orgPhone))); got.status != http.StatusServiceUnavailable {
		t.Errorf("call = %d %s, want 503", got.status, got.body)
	}
	d.wantRows(t, 1, 0)
}

// So is what a stranger hears of the organization.
func TestStaleStranger(t *testing.T) {
	t.Parallel()
	d, postgres := openStale(t, leadsvc.Config{OrganizationTTL: staleTTL, ServeStale: time.Hour})
	d.remembered(t)
	postgres.Kill()
	<-time.After(staleTTL)
	got, _ := d.call(t, callJSON("anonymous", orgPhone))
	if got["organization_id"] != orgID || got["customer_known"] != false || got["data_is_stale"] != true {
		t.Errorf("call = %v, want the organization, stale, and no customer", got)
	}
}
