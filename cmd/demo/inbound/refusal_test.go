package inbound_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/servertest"
	"leadcache/tiered"
)

// An attempt is a request that must be refused.
type attempt struct {
	name    string
	request func(*testing.T, *desk) *http.Request
	status  int
	says    string // in the error
}

// alteredCall is a good call, changed after it was signed.
func alteredCall(change func(*http.Request)) func(*testing.T, *desk) *http.Request {
	return func(t *testing.T, d *desk) *http.Request {
		t.Helper()
		r := d.callRequest(t, callJSON(caller, orgPhone))
		change(r)
		return r
	}
}

// signedCall is a call of that content, with a good signature.
func signedCall(content string) func(*testing.T, *desk) *http.Request {
	return func(t *testing.T, d *desk) *http.Request {
		t.Helper()
		return d.callRequest(t, content)
	}
}

func callSignedAt(age time.Duration, secret string) func(*testing.T, *desk) *http.Request {
	return alteredCall(func(r *http.Request) {
		content := callJSON(caller, orgPhone)
		r.Header.Set("Elevenlabs-Signature", inbound.SignElevenLabs(secret, time.Now().Add(-age), []byte(content)))
	})
}

func alteredSMS(change func(*http.Request)) func(*testing.T, *desk) *http.Request {
	return func(t *testing.T, d *desk) *http.Request {
		t.Helper()
		r := d.smsRequest(t, sms("SM1", caller))
		change(r)
		return r
	}
}

// signedSMS is a good text with other fields, and a good signature.
func signedSMS(change func(url.Values)) func(*testing.T, *desk) *http.Request {
	return func(t *testing.T, d *desk) *http.Request {
		t.Helper()
		form := sms("SM1", caller)
		change(form)
		return d.smsRequest(t, form)
	}
}

// handshake is the beginning of a WebSocket that is well-formed.
func handshake(change func(*http.Request)) func(*testing.T, *desk) *http.Request {
	return func(t *testing.T, d *desk) *http.Request {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+inbound.SocketPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Authorization": {"Bearer " + socketToken},
		}
		change(r)
		return r
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func method(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }

func content(s string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(s))
		r.ContentLength, r.GetBody = int64(len(s)), nil
	}
}

func field(name string, values ...string) func(url.Values) {
	return func(form url.Values) {
		form[name] = values
		if len(values) == 0 {
			form.Del(name)
		}
	}
}

func longMedium(form url.Values) {
	form.Set("NumMedia", "1")
	form.Set("MediaUrl0", "https://example.com/"+strings.Repeat("x", 4<<10))
}

var large = strings.Repeat("x", 70<<10)

var attempts = []attempt{
	{"call: wrong method", alteredCall(method("PUT")), 405, ""},
	{"call: wrong type", alteredCall(header("Content-Type", "text/plain")), 415, "application/json"},
	{"call: no type", alteredCall(header("Content-Type", "")), 415, "application/json"},
	{"call: oversized", signedCall(`{"caller_id":"` + large + `"}`), 413, "large"},
	{"call: no signature", alteredCall(header("ElevenLabs-Signature", "")), 401, "missing"},
	{"call: no time in the signature", alteredCall(header("ElevenLabs-Signature", "v0=00")), 401, "malformed"},
	{"call: no sum in the signature", alteredCall(header("ElevenLabs-Signature", "t=1,v0=xyz")), 401, "malformed"},
	{"call: two times in the signature", alteredCall(header("ElevenLabs-Signature", "t=1,t=2,v0=00")), 401, "malformed"},
	{"call: forged", callSignedAt(0, "guess"), 401, "match"},
	{"call: changed", alteredCall(content(callJSON("+16045550178", orgPhone))), 401, "match"},
	{"call: replayed too late", callSignedAt(31*time.Minute, elevenLabsSecret), 401, "expired"},
	{"call: signed in the future", callSignedAt(-2*time.Minute, elevenLabsSecret), 401, "not valid yet"},
	{"call: no token", alteredCall(header("Authorization", "")), 401, "token"},
	{"call: wrong token", alteredCall(header("Authorization", "Bearer "+socketToken)), 401, "token"},
	{"call: no JSON", signedCall(`{"caller_id":`), 400, "JSON"},
	{"call: another type", signedCall(`{"caller_id": {"a": 1}}`), 400, "JSON"},
	{"call: two documents", signedCall(callJSON(caller, orgPhone) + `{}`), 400, "JSON"},
	{"call: nothing", signedCall(``), 400, "JSON"},
	{"call: null", signedCall(`null`), 400, "called_number"},
	{"call: nobody called", signedCall(`{"caller_id": "+16045550177"}`), 400, "called_number"},
	{
		"call: nobody calls out",
		signedCall(`{"called_number": "1", "conversation_initiation_client_data": {"initiated_by": "agent"}}`),
		400, "caller_id",
	},

	{"sms: wrong method", alteredSMS(method("PATCH")), 405, ""},
	{"sms: wrong type", alteredSMS(header("Content-Type", "application/json")), 415, "form"},
	{"sms: parts", alteredSMS(header("Content-Type", "multipart/form-data; boundary=x")), 415, "form"},
	{"sms: oversized", signedSMS(field("Body", large)), 413, "large"},
	{"sms: no signature", alteredSMS(header("X-Twilio-Signature", "")), 403, "missing"},
	{"sms: no sum in the signature", alteredSMS(header("X-Twilio-Signature", "!")), 403, "malformed"},
	{"sms: forged", alteredSMS(header("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")), 403, "match"},
	{"sms: changed", alteredSMS(content(sms("SM1", "+16045550178").Encode())), 403, "match"},
	{"sms: to another URL", alteredSMS(func(r *http.Request) { r.URL.RawQuery = "a=1" }), 403, "match"},
	{"sms: no form", alteredSMS(content("From=%zz")), 400, "form"},
	{"sms: too many parameters", alteredSMS(content(strings.Repeat("a=1&", 200))), 400, "too many"},
	{"sms: no id", signedSMS(field("MessageSid")), 400, "MessageSid"},
	{"sms: no sender", signedSMS(field("From")), 400, "From"},
	{"sms: no receiver", signedSMS(field("To", "")), 400, "To"},
	{"sms: no words", signedSMS(field("Body", "")), 400, "Body"},
	{"sms: two senders", signedSMS(field("From", caller, "+16045550178")), 400, "From"},
	{"sms: sender is none", signedSMS(field("From", "anonymous")), 400, "From"},
	{"sms: receiver is none", signedSMS(field("To", "+1234567890123456")), 400, "To"},
	{"sms: long id", signedSMS(field("MessageSid", large[:129])), 400, "MessageSid"},
	{"sms: long body", signedSMS(field("Body", large[:1601])), 400, "Body"},
	{"sms: id is no text", signedSMS(field("MessageSid", "\xff")), 400, "MessageSid"},
	{"sms: body is no text", signedSMS(field("Body", "a\x00")), 400, "Body"},
	{"sms: media without number", signedSMS(field("NumMedia", "many")), 400, "NumMedia"},
	{"sms: address of media too long", signedSMS(longMedium), 400, "MediaUrl0"},

	{"socket: wrong method", handshake(method("POST")), 405, ""},
	{"socket: no WebSocket", handshake(func(r *http.Request) { r.Header.Del("Upgrade") }), 426, ""},
	{"socket: no token", handshake(header("Authorization", "")), 401, "token"},
	{"socket: forged", handshake(header("Authorization", "Bearer guess")), 401, "token"},
	{"socket: from a foreign page", handshake(header("Origin", "https://evil.example.com")), 403, ""},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := open(t, locked)
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			got := d.do(t, a.request(t, d))
			if got.status != a.status || !strings.Contains(got.body, a.says) {
				t.Errorf("answer = %d %s, want %d and %q", got.status, got.body, a.status, a.says)
			}
			if strings.Contains(got.body, "555") || strings.Contains(got.body, "unspeakable") {
				t.Errorf("answer %s holds what it must not", got.body)
			}
			if strings.HasPrefix(got.header.Get("Content-Type"), "application/json") != (a.says != "") {
				t.Errorf("answer is %s", got.header.Get("Content-Type"))
			}
		})
	}
	d.wantRows(t, 0, 0)
	d.wantDiscretion(t)
	if lines := strings.Count(d.log.String(), "\n"); lines > 3 {
		t.Errorf("%d lines were logged, want one of each kind:\n%s", lines, d.log)
	}
	d.wantService(t)
}

// wantService fails unless all three routes answer.
func (d *desk) wantService(t *testing.T) {
	t.Helper()
	if got := d.do(t, d.callRequest(t, callJSON(caller, orgPhone))); got.status != http.StatusOK {
		t.Errorf("call = %d %s, want 200", got.status, got.body)
	}
	if got := d.do(t, d.smsRequest(t, sms("SM-last", caller))); got.status != http.StatusOK {
		t.Errorf("sms = %d %s, want 200", got.status, got.body)
	}
	if got, err := say(t, d.dial(t), text("ws-last")); err != nil || got.Error != "" {
		t.Errorf("text = %+v, %v, want a good answer", got, err)
	}
}

// A retry carries the same body, and often the same signature.
func TestReplaysAreHarmless(t *testing.T) {
	t.Parallel()
	d := open(t, locked)
	call := callJSON(caller, orgPhone)
	signature := inbound.SignElevenLabs(elevenLabsSecret, time.Now().Add(-29*time.Minute), []byte(call))
	ws := d.dial(t)
	for range 3 {
		r := d.callRequest(t, call)
		r.Header.Set("Elevenlabs-Signature", signature)
		if got := d.do(t, r); got.status != http.StatusOK {
			t.Errorf("call = %d %s, want 200", got.status, got.body)
		}
		if got := d.do(t, d.smsRequest(t, sms("SM1", caller))); got.status != http.StatusOK {
			t.Errorf("sms = %d %s, want 200", got.status, got.body)
		}
		if got, err := say(t, ws, text("1")); err != nil || got.Error != "" {
			t.Errorf("text = %+v, %v, want a good answer", got, err)
		}
	}
	d.wantRows(t, 1, 2)
}

func TestHalfSent(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.ReadTimeout = 200 * time.Millisecond })
	for path, mediaType := range map[string]string{
		inbound.CallPath: "application/json", inbound.SMSPath: "application/x-www-form-urlencoded",
	} {
		t.Run("a body that stops is not waited for at "+path, func(t *testing.T) {
			conn := d.begin(t, path, mediaType)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusRequestTimeout || !response.Close {
				t.Errorf("answer = %d, close %t, want 408 and the end", response.StatusCode, response.Close)
			}
		})
		t.Run("a client that leaves is nothing to tell of at "+path, func(t *testing.T) {
			if err := d.begin(t, path, mediaType).Close(); err != nil {
				t.Error(err)
			}
		})
	}
	d.wantRows(t, 0, 0)
	d.wantService(t)
	d.wantDiscretion(t)
}

// begin sends half of a request.
func (d *desk) begin(t *testing.T, path, mediaType string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{\"caller_id\"",
		path, mediaType)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	// Nobody listens there.
	d := openOn(t, "postgres://someone:unspeakable@127.0.0.1:1/x?connect_timeout=1", tiered.RedisOptions{Disabled: true}, nil)
	d.wantUnavailable(t)
}

// A database that dies and comes back costs nobody a restart, and no text.
func TestDatabaseDies(t *testing.T) {
	t.Parallel()
	postgres := servertest.Postgres(t)
	migrate(t, postgres.URL())
	d := openOn(t, postgres.URL(), tiered.RedisOptions{Disabled: true}, nil)
	d.wantService(t)
	postgres.Kill()
	d.wantUnavailable(t)
	if !strings.Contains(d.log.String(), "the database is out") {
		t.Errorf("the log does not say what is down:\n%s", d.log)
	}
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.sql = connect(t, postgres.URL())
	servertest.Eventually(t, soon, func() bool {
		return d.do(t, d.smsRequest(t, sms("SM1", caller))).status == http.StatusOK
	}, "service again")
	d.wantService(t)
	d.wantRows(t, 1, 3) // SM1 was sent again and again
}

func TestDatabaseHangs(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.RequestTimeout = 200 * time.Millisecond })
	tx, err := d.sql.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	d.wantUnavailable(t)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, soon, func() bool {
		return d.do(t, d.callRequest(t, callJSON(caller, orgPhone))).status == http.StatusOK
	}, "service again")
}

// wantUnavailable fails unless all three routes say so, and no more.
func (d *desk) wantUnavailable(t *testing.T) {
	t.Helper()
	for range 3 {
		for _, r := range []*http.Request{
			d.callRequest(t, callJSON(caller, orgPhone)), d.smsRequest(t, sms("SM1", caller)),
		} {
			got := d.do(t, r)
			var answer map[string]string
			if err := json.Unmarshal([]byte(got.body), &answer); err != nil || len(answer) != 1 ||
				got.status != http.StatusServiceUnavailable || answer["error"] != "not available, try again" {
				t.Errorf("%s = %d %s, want 503", r.URL.Path, got.status, got.body)
			}
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s does not say when to retry", r.URL.Path)
			}
		}
	}
	ws := d.dial(t)
	if got, err := say(t, ws, text("1")); err != nil || got.ID != "1" || got.Error != "not available, try again" {
		t.Errorf("text = %+v, %v, want an error in it", got, err)
	}
	d.wantDiscretion(t)
	if lines := strings.Count(d.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines were logged, want 1:\n%s", lines, d.log)
	}
}
