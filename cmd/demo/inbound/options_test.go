package inbound_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"leadcache/cmd/demo/inbound"
	"leadcache/leadsvc"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	service := new(leadsvc.Service)
	for field, o := range map[string]inbound.Options{
		"Service":        {},
		"PublicURL":      {Service: service, PublicURL: "sms.example.com"},
		"ReadTimeout":    {Service: service, ReadTimeout: -1},
		"RequestTimeout": {Service: service, RequestTimeout: -1},
		"ContextTimeout": {Service: service, ContextTimeout: -1},
		"WriteTimeout":   {Service: service, WriteTimeout: -1},
		"CloseTimeout":   {Service: service, CloseTimeout: -1},
		"IdleTimeout":    {Service: service, IdleTimeout: -1},
		"MaxInFlight":    {Service: service, MaxInFlight: -1},
	} {
		if _, err := inbound.New(o); err == nil || !strings.Contains(err.Error(), "Options."+field+" ") {
			t.Errorf("New(%s) = %v, want an error that names it", field, err)
		}
	}
	_, err := inbound.New(inbound.Options{PublicURL: "ftp://unspeakable", MaxInFlight: -1})
	if err == nil || strings.Contains(err.Error(), "unspeakable") || strings.Count(err.Error(), "Options.") != 3 {
		t.Errorf("New = %v, want all three options and no value", err)
	}
	for _, good := range []string{"", "http://a", "https://a.example:8443/b/"} {
		if _, err := inbound.New(inbound.Options{Service: service, PublicURL: good}); err != nil {
			t.Errorf("New(PublicURL %q) = %v, want nil", good, err)
		}
	}
}

// Twilio would take an empty 200 for "stored, no answer".
func TestEndedRequestIsNoSuccess(t *testing.T) {
	t.Parallel()
	d := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range []*http.Request{
		d.smsRequest(t, sms("SM1", caller)), d.callRequest(t, callJSON(caller, orgPhone)),
	} {
		w := httptest.NewRecorder()
		r.RequestURI = r.URL.RequestURI()
		d.ServeHTTP(w, r.WithContext(ctx))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s = %d %s, want 503", r.URL.Path, w.Code, w.Body)
		}
	}
	if log := d.log.String(); log != "" {
		t.Errorf("the log says %q, want nothing of a client that has left", log)
	}
}
