package inbound

import (
	"encoding/xml"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// Twilio refuses longer texts.
func TestTwiMLIsBounded(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := writeTwiML(w, strings.Repeat("ä", 2*maxText)); err != nil {
		t.Fatal(err)
	}
	var sent twiML
	if err := xml.Unmarshal(w.Body.Bytes(), &sent); err != nil {
		t.Fatal(err)
	}
	if got := utf8.RuneCountInString(sent.Message); got != maxText {
		t.Errorf("the message has %d characters, want %d", got, maxText)
	}
}
