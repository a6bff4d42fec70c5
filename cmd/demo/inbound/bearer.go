package inbound

import (
	"crypto/hmac"
	"net/http"
	"strings"
)

// hasBearer says whether r has the token in its header Authorization.
func hasBearer(r *http.Request, token string) bool {
	scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && hmac.Equal([]byte(got), []byte(token))
}

func unauthorized(text string) error { return &refusal{http.StatusUnauthorized, text} }
