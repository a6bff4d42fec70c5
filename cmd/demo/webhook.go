package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"leadcache/cmd/demo/inbound"
)

// maxWebhookAnswer bounds what is read of an answer; real ones have less than
// two kilobytes.
const maxWebhookAnswer = 64 << 10

// A webhookAnswer is what a node answered to a webhook.
type webhookAnswer struct {
	lookup lookup
	body   []byte
}

// postSMS delivers a text as Twilio does.
func (f *fleet) postSMS(ctx context.Context, n *child, form url.Values) (webhookAnswer, error) {
	header := http.Header{
		"Content-Type":       {"application/x-www-form-urlencoded"},
		"X-Twilio-Signature": {inbound.SignTwilio(f.secrets.Twilio, n.url(inbound.SMSPath), form)},
	}
	return f.post(ctx, n, inbound.SMSPath, header, []byte(form.Encode()))
}

// postCall announces a call as ElevenLabs does.
func (f *fleet) postCall(ctx context.Context, n *child, body []byte) (webhookAnswer, error) {
	header := http.Header{
		"Content-Type":         {"application/json"},
		"Authorization":        {"Bearer " + f.secrets.ElevenLabsToken},
		"Elevenlabs-Signature": {inbound.SignElevenLabs(f.secrets.ElevenLabs, time.Now(), body)},
	}
	return f.post(ctx, n, inbound.CallPath, header, body)
}

func (f *fleet) post(ctx context.Context, n *child, path string, header http.Header, body []byte) (a webhookAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url(path), bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header = header
	response, err := f.client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, maxWebhookAnswer)); err != nil {
		return a, err
	}
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("status %d", response.StatusCode)
	}
	a.lookup, err = readLookup(response.Header)
	return a, err
}
