package inbound_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"leadcache/cmd/demo/inbound"
)

// message returns what TwiML sends back.
func message(t *testing.T, got reply) string {
	t.Helper()
	var answer struct {
		XMLName xml.Name `xml:"Response"`
		Message string
	}
	if err := xml.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatalf("answer %s: %v", got.body, err)
	}
	if kind := got.header.Get("Content-Type"); got.status != http.StatusOK || !strings.HasPrefix(kind, "text/xml") {
		t.Errorf("answer = %d %s, want 200 text/xml", got.status, kind)
	}
	return answer.Message
}

func TestSMS(t *testing.T) {
	t.Parallel()
	d := open(t, locked)
	first := d.do(t, d.smsRequest(t, sms("SM1", caller)))

	t.Run("it is answered in XML, whatever the name", func(t *testing.T) {
		if got := message(t, first); !strings.Contains(got, orgName) {
			t.Errorf("message = %q, want %s in it", got, orgName)
		}
		if source := first.header.Get("Cache-Source"); source != "loader" || first.header.Get("Server-Timing") == "" {
			t.Errorf("headers %v, want Cache-Source loader and Server-Timing", first.header)
		}
		d.wantRows(t, 1, 1)
	})

	t.Run("sent again it is stored once and answered alike", func(t *testing.T) {
		again := d.do(t, d.smsRequest(t, sms("SM1", "(604) 555-0177")))
		if again.status != first.status || again.body != first.body {
			t.Errorf("again = %d %s, want %d %s", again.status, again.body, first.status, first.body)
		}
		d.wantRows(t, 1, 1)
	})

	t.Run("another text is another row, as the customer wrote it", func(t *testing.T) {
		d.do(t, d.smsRequest(t, sms("SM2", caller)))
		d.wantRows(t, 1, 2)
		const sql = `SELECT count(*) FROM conversations WHERE content = $1 AND sent_by = 'user' AND type = 'sms'
			AND organization_id = $2 AND external_id IN ('SM1', 'SM2')`
		if got := d.count(t, sql, body, orgID); got != 2 {
			t.Errorf("%d texts are as they were sent, want 2", got)
		}
	})

	t.Run("a picture needs no words", func(t *testing.T) {
		form := sms("SM3", caller)
		form.Set("Body", "")
		form.Set("NumMedia", "1")
		form.Set("MediaUrl0", "https://example.com/a?b&c")
		form.Set("MediaContentType0", "image/png")
		form.Set("MediaUrl1", "https://example.com/not-announced")
		message(t, d.do(t, d.smsRequest(t, form)))
		d.wantRows(t, 1, 3)
		const sql = `SELECT count(*) FROM conversations WHERE external_id = 'SM3'
			AND metadata::jsonb = '{"media": [{"url": "https://example.com/a?b&c", "type": "image/png"}]}'`
		if got := d.count(t, sql); got != 1 {
			t.Errorf("%d texts have the picture, want 1", got)
		}
	})

	t.Run("an id stands for one text", func(t *testing.T) {
		form := sms("SM1", caller)
		form.Set("Body", "another")
		if got := d.do(t, d.smsRequest(t, form)); got.status != http.StatusConflict || !strings.Contains(got.body, "another text") {
			t.Errorf("another text of that id = %d %s, want 409", got.status, got.body)
		}
		d.wantRows(t, 1, 3)
		if log := d.log.String(); !strings.Contains(log, "not stored") {
			t.Errorf("the log says %q, want a word of it", log)
		}
	})
	d.wantDiscretion(t)
}

// Twilio signs the URL that it was given.
func TestSMSBehindProxy(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) {
		o.TwilioToken, o.PublicURL = twilioToken, "https://sms.example.com/bici/"
	})
	form := sms("SM1", caller)
	for name, test := range map[string]struct {
		url  string
		want int
	}{
		"public":    {"https://sms.example.com/bici" + inbound.SMSPath + "?a=%2F&b", 200},
		"with port": {"https://sms.example.com:443/bici" + inbound.SMSPath + "?a=%2F&b", 200},
		"private":   {d.url + inbound.SMSPath + "?a=%2F&b", 403},
		"other":     {"https://sms.example.com/bici" + inbound.SMSPath, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := d.smsRequest(t, form)
			r.URL.RawQuery = "a=%2F&b"
			r.Header.Set("X-Twilio-Signature", inbound.SignTwilio(twilioToken, test.url, form))
			if got := d.do(t, r); got.status != test.want {
				t.Errorf("sms = %d %s, want %d", got.status, got.body, test.want)
			}
		})
	}
}
