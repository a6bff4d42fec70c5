package inbound

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"leadcache/leadsvc"
)

// wantRefusal fails unless err is for a client, and does not repeat its bytes.
func wantRefusal(t *testing.T, err error) {
	t.Helper()
	r, ok := errors.AsType[*refusal](err)
	if !ok || r.status < 400 || r.status > 499 || !utf8.ValidString(r.text) || len(r.text) > 100 {
		t.Errorf("error %v (%T), want a short refusal", err, err)
	}
}

func FuzzElevenLabsSignature(f *testing.F) {
	f.Add("t=1600000000,v0="+exampleSum, []byte(exampleBody))
	f.Add("t=,v0=,t=1", []byte{})
	f.Add("t=-9223372036854775808,v0=00", []byte("x"))
	f.Add("t=9223372036854775807 ,v0=0", []byte("x"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		now := time.Unix(exampleTime, 0)
		err := verifyElevenLabs(exampleSecret, header, body, now)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		s, _ := parseElevenLabs(header)
		if !s.matches(sumElevenLabs(exampleSecret, s.t, body)) || s.at.Sub(now).Abs() > signatureAge {
			t.Errorf("verifyElevenLabs(%q) = nil", header)
		}
	})
}

func FuzzTwilioForm(f *testing.F) {
	f.Add([]byte("MessageSid=SM1&From=%2B16045550177&To=%2B17785550100&Body=hello&NumMedia=0"), "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
	f.Add([]byte("From=a&From=b;c=%zz"), "")
	f.Add([]byte(strings.Repeat("&", 200)), "====")
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		form, err := parseForm(body)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		const to = "https://sms.example.com" + SMSPath
		if err := verifyTwilio("12345", signature, withAndWithoutPort(to), form); err != nil {
			wantRefusal(t, err)
		}
		if err := verifyTwilio("12345", SignTwilio("12345", to, form), withAndWithoutPort(to), form); err != nil {
			t.Errorf("a form that was signed = %v, want nil", err)
		}
		m, err := smsOf(form)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		wantText(t, m)
	})
}

// wantText fails unless m can be looked up and stored.
func wantText(t *testing.T, m Text) {
	t.Helper()
	if m.ID == "" || len(m.ID) > maxID || !storable(m.ID) {
		t.Errorf("id %q", m.ID)
	}
	for _, number := range []string{m.From, m.To} {
		if _, err := leadsvc.ParsePhone(numberOf(number)); err != nil || len(number) > maxNumber {
			t.Errorf("number %q: %v", number, err)
		}
	}
	if !storable(m.Body) || utf8.RuneCountInString(m.Body) > maxText {
		t.Errorf("body %q", m.Body)
	}
}

func FuzzCall(f *testing.F) {
	f.Add([]byte(`{"caller_id":"+16045550177","called_number":"+17785550100","agent_id":"a","call_sid":"CA1"}`))
	f.Add([]byte(`{"called_number":"1","conversation_initiation_client_data":{"initiated_by":"agent"}}`))
	f.Add([]byte(`{"caller_id":null,"called_number":"\ud800"}`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseCall(body)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		if _, ours := c.numbers(); ours == "" {
			t.Errorf("parseCall(%q) has no number of ours", body)
		}
		if v := variablesOf(c, leadsvc.Organization{Settings: leadsvc.JSON(body)}); v.DynamicGreeting == "" {
			t.Error("there is no greeting")
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(true, []byte(`{"id":"1","from":"+16045550177","to":"+17785550100","body":"hello"}`))
	f.Add(true, []byte(`{"id":"1","from":"a","to":"","body":"\u0000"}`))
	f.Add(false, []byte{0xff})
	f.Fuzz(func(t *testing.T, isText bool, data []byte) {
		kind := websocket.MessageBinary
		if isText {
			kind = websocket.MessageText
		}
		m, refused := parseText(frame{kind, data})
		if refused != nil {
			if len(refused.Reason) > 123 { // what a close frame has room for
				t.Errorf("reason %q is too long", refused.Reason)
			}
			return
		}
		if _, err := m.check(socketFields); err != nil {
			wantRefusal(t, err)
			return
		}
		wantText(t, m)
	})
}
