package inbound

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The example of Twilio's page on security (twilio.com/docs/usage/security,
// "validating requests") and the cases of its library for Python
// (tests/unit/test_request_validator.py), with their signatures.
func TestTwilioPublishedSignatures(t *testing.T) {
	t.Parallel()
	const (
		token  = "12345"
		theirs = "https://mycompany.com/myapp.php?foo=1&bar=2"
	)
	callFrom := func(number string) url.Values {
		return url.Values{
			"CallSid": {"CA1234567890ABCDE"}, "Caller": {number}, "Digits": {"1234"},
			"From": {number}, "To": {"+18005551212"},
		}
	}
	library := callFrom("+14158675309")
	for _, test := range []struct {
		name, url, signature string
		form                 url.Values
	}{
		{"the page", theirs, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", callFrom("+12349013030")},
		{"the library", theirs, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", library},
		{
			"a name twice", theirs, "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
			url.Values{"Sid": {"CA123"}, "SidAccount": {"AC123"}, "Digits": {"5678", "1234"}},
		},
		{"port that was not signed, https", strings.Replace(theirs, ".com", ".com:1234", 1), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", library},
		{"port that was signed, https", theirs, "kvajT1Ptam85bY51eRf/AJRuM3w=", library},
		{"port that was signed, http", strings.Replace(theirs, "https", "http", 1), "0ZXoZLH/DfblKGATFgpif+LLRf4=", library},
		{"port of its own, http", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", library},
	} {
		if err := verifyTwilio(token, test.signature, withAndWithoutPort(test.url), test.form); err != nil {
			t.Errorf("%s: verifyTwilio = %v, want nil", test.name, err)
		}
		if err := verifyTwilio("12346", test.signature, withAndWithoutPort(test.url), test.form); err == nil {
			t.Errorf("%s: another token verifies", test.name)
		}
	}
	if got, want := SignTwilio(token, theirs, library), "RSOYDt4T1cUTdK1PDd93/VVr8B8="; got != want {
		t.Errorf("SignTwilio = %s, want %s", got, want)
	}
}

func TestWithAndWithoutPort(t *testing.T) {
	t.Parallel()
	for given, want := range map[string][]string{
		"https://a.example/b:1?c:2":      {"https://a.example/b:1?c:2", "https://a.example:443/b:1?c:2"},
		"http://a.example:8080/%2f?x=%2": {"http://a.example/%2f?x=%2", "http://a.example:8080/%2f?x=%2"},
		"http://[::1]/a":                 {"http://[::1]/a", "http://[::1]:80/a"},
		"http://[::1]:99?a":              {"http://[::1]?a", "http://[::1]:99?a"},
		"https://u:p@a.example/":         {"https://u:p@a.example/", "https://u:p@a.example:443/"},
	} {
		if got := withAndWithoutPort(given); !slices.Equal(got, want) {
			t.Errorf("withAndWithoutPort(%s) = %q, want %q", given, got, want)
		}
	}
}

// ElevenLabs publishes how to make a signature, and no signature. These are
// the secret, the time and the body of its library for Python
// (tests/test_webhooks.py, where the test computes the sum itself); the sum
// was computed with Python's hmac and hashlib as that test does.
const (
	exampleSecret = "test_secret"
	exampleTime   = 1_600_000_000
	exampleBody   = `{"event_type": "speech.completed", "id": "123456"}`
	exampleSum    = "f8a0d1dc33ee963cb54d2f31514555995e93313c9d2042c030adbb82b87fae13"
)

func TestElevenLabsDocumentedSignature(t *testing.T) {
	t.Parallel()
	at := time.Unix(exampleTime, 0)
	want := "t=1600000000,v0=" + exampleSum
	if got := SignElevenLabs(exampleSecret, at, []byte(exampleBody)); got != want {
		t.Errorf("SignElevenLabs = %s, want %s", got, want)
	}
	for name, header := range map[string]string{
		"as it is":         want,
		"other order":      "v0=" + exampleSum + ",t=1600000000",
		"spaces":           "t=1600000000, v0=" + exampleSum,
		"two secrets":      "t=1600000000,v0=" + strings.Repeat("0", 64) + ",v0=" + exampleSum,
		"scheme to come":   "t=1600000000,v1=abc,v0=" + exampleSum,
		"upper case of it": "t=1600000000,v0=" + strings.ToUpper(exampleSum),
	} {
		if err := verifyElevenLabs(exampleSecret, header, []byte(exampleBody), at); err != nil {
			t.Errorf("%s: verifyElevenLabs = %v, want nil", name, err)
		}
	}
}

func TestElevenLabsTolerance(t *testing.T) {
	t.Parallel()
	signed := time.Unix(exampleTime, 0)
	header := SignElevenLabs(exampleSecret, signed, nil)
	for _, test := range []struct {
		now time.Time
		ok  bool
	}{
		{signed, true},
		{signed.Add(30 * time.Minute), true},
		{signed.Add(30*time.Minute + time.Second), false},
		{signed.Add(-time.Minute), true},
		{signed.Add(-time.Minute - time.Second), false},
	} {
		err := verifyElevenLabs(exampleSecret, header, nil, test.now)
		if (err == nil) != test.ok {
			t.Errorf("verifyElevenLabs after %v = %v, want good: %t", test.now.Sub(signed), err, test.ok)
		}
		if r, ok := errors.AsType[*refusal](err); !test.ok && (!ok || r.status != http.StatusUnauthorized) {
			t.Errorf("verifyElevenLabs after %v = %v, want 401", test.now.Sub(signed), err)
		}
	}
}
