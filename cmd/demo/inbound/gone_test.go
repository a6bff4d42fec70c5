package inbound_test

import (
	"net/http"
	"testing"

	"leadcache/cmd/demo/inbound"
)

// remember makes the desk remember organization and lead of a caller.
func (d *desk) remember(t *testing.T) inbound.Answer {
	t.Helper()
	ws := d.dial(t)
	var a inbound.Answer
	for _, id := range []string{"before 1", "before 2", "before 3"} { // the first makes, the second reads
		var err error
		if a, err = say(t, ws, text(id)); err != nil || a.Error != "" {
			t.Fatalf("answer = %+v, %v", a, err)
		}
	}
	if a.Source != "local" {
		t.Fatalf("answer = %+v, want one from memory", a)
	}
	return a
}

// What is deleted past the service is remembered, and must not cost a text.
func TestWhatWasDeletedIsForgotten(t *testing.T) {
	t.Parallel()

	t.Run("a lead", func(t *testing.T) {
		t.Parallel()
		d := open(t, locked)
		old := d.remember(t)
		d.exec(t, `DELETE FROM leads`)
		a, err := say(t, d.dial(t), text("after"))
		if err != nil || a.Error != "" || a.LeadID == old.LeadID || a.LeadID == "" || a.OrganizationID != orgID {
			t.Errorf("answer = %+v, %v, want a new lead of %s", a, err, orgID)
		}
		d.wantRows(t, 1, 1)
		d.wantDiscretion(t)
	})

	t.Run("a lead that moved to another organization", func(t *testing.T) {
		t.Parallel()
		d := open(t, locked)
		old := d.remember(t)
		d.exec(t, `UPDATE leads SET organization_id = $1`, defaultOrg)
		a, err := say(t, d.dial(t), text("after"))
		if err != nil || a.Error != "" || a.LeadID == old.LeadID || a.OrganizationID != orgID {
			t.Errorf("answer = %+v, %v, want a new lead of %s", a, err, orgID)
		}
		if got := d.count(t, `SELECT count(*) FROM conversations WHERE organization_id = $1`, defaultOrg); got != 0 {
			t.Errorf("%d texts to one organization are stored for another", got)
		}
		d.wantDiscretion(t)
	})

	t.Run("an organization with its leads", func(t *testing.T) {
		t.Parallel()
		d := open(t, locked)
		d.remember(t)
		d.exec(t, `DELETE FROM conversations`)
		d.exec(t, `DELETE FROM leads`)
		d.exec(t, `DELETE FROM organizations WHERE id = $1`, orgID)
		if got := d.do(t, d.smsRequest(t, sms("SM1", caller))); got.status != http.StatusOK {
			t.Errorf("sms = %d %s, want 200", got.status, got.body)
		}
		if got := d.count(t, `SELECT count(*) FROM leads WHERE organization_id = $1`, defaultOrg); got != 1 {
			t.Errorf("%d leads of the default organization, want 1", got)
		}
		d.wantDiscretion(t)
	})

	t.Run("an organization that is called", func(t *testing.T) {
		t.Parallel()
		d := open(t, locked)
		d.call(t, callJSON("anonymous", orgPhone))
		d.exec(t, `DELETE FROM organizations WHERE id = $1`, orgID)
		if got, _ := d.call(t, callJSON(caller, orgPhone)); got["organization_id"] != defaultOrg || got["lead_id"] == "" {
			t.Errorf("variables = %v, want a lead of the default organization", got)
		}
		d.wantDiscretion(t)
	})
}
