package inbound

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// SignTwilio returns the header X-Twilio-Signature of a POST of form to that
// URL, which has its query but no fragment.
func SignTwilio(token, rawURL string, form url.Values) string {
	return base64.StdEncoding.EncodeToString(sumTwilio(token, rawURL, form))
}

// sumTwilio sums the URL and then each parameter, sorted by name, as name and
// value without anything between. Of several values of a name, each counts
// once, in their own order; so do Twilio's libraries.
func sumTwilio(token, rawURL string, form url.Values) []byte {
	mac := hmac.New(sha1.New, []byte(token))
	write := func(s string) { _, _ = io.WriteString(mac, s) } // never fails
	write(rawURL)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			write(name)
			write(value)
		}
	}
	return mac.Sum(nil)
}

// verifyTwilio returns nil if header is the signature of form, sent to any of
// the URLs.
func verifyTwilio(token, header string, urls []string, form url.Values) error {
	got, err := base64.StdEncoding.DecodeString(header)
	if err != nil || header == "" {
		return forbidden("signature is missing or malformed")
	}
	for _, u := range urls {
		if hmac.Equal(got, sumTwilio(token, u, form)) {
			return nil
		}
	}
	return forbidden("signature does not match")
}

func forbidden(text string) error { return &refusal{http.StatusForbidden, text} }

// signedURLs returns what Twilio may have taken for the URL of r: whether it
// signs the port depends on its product and on the scheme, so its libraries
// try both.
func (h *Handler) signedURLs(r *http.Request) []string {
	base := h.opts.PublicURL
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	return withAndWithoutPort(base + r.RequestURI)
}

// withAndWithoutPort returns rawURL with the port it has, or else that of its
// scheme, and without any. All else stays as it is written, escapes too.
func withAndWithoutPort(rawURL string) []string {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexAny(host, "]@") {
		host, port = host[:i], host[i:]
	}
	before := scheme + "://" + host
	return []string{before + path, before + port + path}
}
