package inbound

import (
	"net/url"
	"strings"
	"unicode"
)

// numberOf returns the phone number of an address as carriers write it: of a
// URI such as sip:+16045550177@10.0.0.7:5060;user=phone the user alone, as the
// digits of its host and of its parameters are nobody's number. It is empty if
// the user is missing or a name. What is no address is returned as it is.
func numberOf(address string) string {
	scheme, rest, isURI := strings.Cut(strings.TrimSpace(address), ":")
	scheme = strings.ToLower(scheme)
	isURI = isURI && (scheme == "sip" || scheme == "sips" || scheme == "tel")
	if !isURI {
		rest = address
	}
	user, hasHost := rest, false
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, hasHost = rest[:i], true
	}
	switch {
	case !isURI && !hasHost:
		return address
	case !hasHost && scheme != "tel":
		return "" // a host without a user
	}
	user, _, _ = strings.Cut(user, ";")
	user, _, _ = strings.Cut(user, ":") // a password
	user, err := url.PathUnescape(user)
	if err != nil || strings.ContainsFunc(user, unicode.IsLetter) {
		return ""
	}
	return user
}
