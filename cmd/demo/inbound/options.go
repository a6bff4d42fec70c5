package inbound

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"leadcache/leadsvc"
)

// Options tell [New] what to serve. A secret that is empty is not asked for,
// which leaves that door open to everyone. The zero value of each field below
// PublicURL means the default that its comment names; a negative value is an
// error.
type Options struct {
	// Service answers. It stays the caller's to close, after
	// [Handler.Drain]. Required.
	Service *leadsvc.Service

	// ElevenLabsSecret is the key of the header ElevenLabs-Signature.
	ElevenLabsSecret string

	// ElevenLabsToken is what ElevenLabs is configured to send as
	// "Authorization: Bearer <token>". With ElevenLabsSecret, both are asked
	// for.
	ElevenLabsToken string

	// TwilioToken is the auth token of the Twilio account, the key of the
	// header X-Twilio-Signature.
	TwilioToken string

	// SocketToken is what clients of the WebSocket send as
	// "Authorization: Bearer <token>".
	SocketToken string

	// PublicURL is what comes before the path in the URL that Twilio was given,
	// such as https://sms.example.com: Twilio signs that URL, and a proxy in
	// front of this server may have changed scheme and host. Empty: as the
	// request says.
	PublicURL string

	// ReadTimeout bounds the arrival of a webhook's body. Default 5 seconds.
	ReadTimeout time.Duration

	// RequestTimeout bounds look-ups and writes of one call or text, and how
	// long a text of a WebSocket waits for those before it. Default 10 seconds;
	// Twilio waits 15.
	RequestTimeout time.Duration

	// ContextTimeout bounds the look-ups of context and greeting, within
	// RequestTimeout: a call begins without them, not with silence. Default 1.5
	// seconds.
	ContextTimeout time.Duration

	// WriteTimeout bounds how long a client of the WebSocket may take to
	// accept an answer. Default 5 seconds.
	WriteTimeout time.Duration

	// CloseTimeout bounds how long a client of the WebSocket may take to agree
	// to its end. Default 1 second.
	CloseTimeout time.Duration

	// IdleTimeout ends a WebSocket on which no text arrives; pings are none.
	// Default 2 minutes.
	IdleTimeout time.Duration

	// MaxInFlight bounds the texts of one WebSocket that have been read and
	// not been answered. While there are so many, no more are read. Default
	// 32.
	MaxInFlight int

	// Logger is told what failed. Default [slog.Default].
	Logger *slog.Logger
}

const (
	defaultReadTimeout    = 5 * time.Second
	defaultRequestTimeout = 10 * time.Second
	defaultContextTimeout = 1500 * time.Millisecond
	defaultWriteTimeout   = 5 * time.Second
	defaultCloseTimeout   = time.Second
	defaultIdleTimeout    = 2 * time.Minute
	defaultMaxInFlight    = 32
)

func (o Options) withDefaults() Options {
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	o.ReadTimeout = cmp.Or(o.ReadTimeout, defaultReadTimeout)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	o.ContextTimeout = cmp.Or(o.ContextTimeout, defaultContextTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, defaultWriteTimeout)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, defaultCloseTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, defaultIdleTimeout)
	o.MaxInFlight = cmp.Or(o.MaxInFlight, defaultMaxInFlight)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Service == nil {
		errs = append(errs, errors.New("inbound: Options.Service is missing"))
	}
	if !validPublicURL(o.PublicURL) {
		errs = append(errs, errors.New("inbound: Options.PublicURL is not understood, want https://host or https://host/path"))
	}
	for _, field := range []struct {
		name    string
		timeout time.Duration
	}{
		{"ReadTimeout", o.ReadTimeout},
		{"RequestTimeout", o.RequestTimeout},
		{"ContextTimeout", o.ContextTimeout},
		{"WriteTimeout", o.WriteTimeout},
		{"CloseTimeout", o.CloseTimeout},
		{"IdleTimeout", o.IdleTimeout},
	} {
		if field.timeout < 0 {
			errs = append(errs, fmt.Errorf("inbound: Options.%s is %v, want more than 0", field.name, field.timeout))
		}
	}
	if o.MaxInFlight < 0 {
		errs = append(errs, fmt.Errorf("inbound: Options.MaxInFlight is %d, want at least 1", o.MaxInFlight))
	}
	return errors.Join(errs...)
}

// validPublicURL says whether a path can be put behind s. The error does not
// repeat s: it may hold a password.
func validPublicURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		!strings.ContainsAny(s, "?#")
}
