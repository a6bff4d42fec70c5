package inbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

const (
	// signatureAge is the tolerance of ElevenLabs' SDKs.
	signatureAge = 30 * time.Minute

	// signatureSkew is how far ahead of ours the signer's clock may be. Its
	// SDKs have no such bound; a signature from the future would be good for
	// as much longer.
	signatureSkew = time.Minute
)

// SignElevenLabs returns the header ElevenLabs-Signature of a request with that
// body, signed at that time.
func SignElevenLabs(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v0=" + hex.EncodeToString(sumElevenLabs(secret, t, body))
}

func sumElevenLabs(secret, t string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

// verifyElevenLabs returns nil if header is a signature of body that is valid
// at the time now.
func verifyElevenLabs(secret, header string, body []byte, now time.Time) error {
	s, ok := parseElevenLabs(header)
	switch {
	case !ok:
		return unauthorized("signature is missing or malformed")
	case !s.matches(sumElevenLabs(secret, s.t, body)):
		return unauthorized("signature does not match")
	case s.at.Before(now.Add(-signatureAge)), s.at.After(now.Add(signatureSkew)):
		return unauthorized("signature has expired, or is not valid yet")
	}
	return nil
}

// An elevenLabsSignature is the content of the header.
type elevenLabsSignature struct {
	t    string // the time as it was written: what was signed
	at   time.Time
	sums [][]byte // there are several while a secret is replaced
}

// parseElevenLabs understands t=<unix seconds>,v0=<hex>, in any order, with
// several v0 and with parts of schemes to come.
func parseElevenLabs(header string) (s elevenLabsSignature, ok bool) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil || s.t != "" {
				return elevenLabsSignature{}, false
			}
			s.t, s.at = value, time.Unix(seconds, 0)
		case "v0":
			if sum, err := hex.DecodeString(value); err == nil {
				s.sums = append(s.sums, sum)
			}
		}
	}
	return s, s.t != "" && len(s.sums) > 0
}

func (s elevenLabsSignature) matches(want []byte) bool {
	found := false
	for _, sum := range s.sums {
		if hmac.Equal(sum, want) {
			found = true
		}
	}
	return found
}
