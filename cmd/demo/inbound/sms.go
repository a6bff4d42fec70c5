package inbound

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// maxParameters is about four times what Twilio sends with a text.
const maxParameters = 128

var smsFields = textFields{id: "MessageSid", from: "From", to: "To", body: "Body"}

// serveSMS answers a text that Twilio delivers with the text to send back.
func (h *Handler) serveSMS(w http.ResponseWriter, r *http.Request) error {
	body, err := h.readBody(w, r, "application/x-www-form-urlencoded")
	if err != nil {
		return err
	}
	form, err := parseForm(body)
	if err != nil {
		return err
	}
	if token := h.opts.TwilioToken; token != "" {
		if err := verifyTwilio(token, r.Header.Get("X-Twilio-Signature"), h.signedURLs(r), form); err != nil {
			h.warnings.warn("inbound: a text was refused", err)
			return err
		}
	}
	m, err := smsOf(form)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.opts.RequestTimeout)
	defer cancel()
	a, l, err := h.answerText(ctx, m)
	if err != nil {
		return err
	}
	l.describe(w.Header())
	return writeTwiML(w, a.Reply)
}

func parseForm(body []byte) (url.Values, error) {
	if strings.Count(string(body), "&") >= maxParameters {
		return nil, badRequest("too many parameters")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("body is not a form") // err would quote it
	}
	return form, nil
}

// smsOf returns the text of a form. Its body may be empty if it has pictures.
func smsOf(form url.Values) (Text, error) {
	for _, name := range []string{smsFields.id, smsFields.from, smsFields.to, smsFields.body} {
		if len(form[name]) > 1 {
			return Text{}, badRequest("field %q is given twice", name)
		}
	}
	m := Text{
		ID:   form.Get(smsFields.id),
		From: form.Get(smsFields.from),
		To:   form.Get(smsFields.to),
		Body: form.Get(smsFields.body),
	}
	if _, err := m.check(smsFields); err != nil {
		return Text{}, err
	}
	media, err := countMedia(form)
	if err != nil {
		return Text{}, err
	}
	if m.Body == "" && media == 0 {
		return Text{}, badRequest("missing field %q", smsFields.body)
	}
	m.metadata, err = mediaOf(form, media)
	return m, err
}

// twiML tells Twilio to send a text back.
type twiML struct {
	XMLName xml.Name `xml:"Response"`
	Message string
}

// writeTwiML sends as much of message as Twilio takes.
func writeTwiML(w http.ResponseWriter, message string) error {
	data, err := xml.Marshal(twiML{Message: cut(message, maxText)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	// A client that has left is told nothing; there is nothing else to do.
	_, _ = w.Write(append([]byte(xml.Header), data...))
	return nil
}
