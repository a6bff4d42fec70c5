package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"leadcache/leadsvc"
)

// A failure that passes is told from one that does not, and no error's text
// reaches a client.
func TestRespond(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
	}{
		{nil, http.StatusOK},
		{badRequest("want more"), http.StatusBadRequest},
		{leadsvc.ErrInvalidPhone, http.StatusBadRequest},
		{leadsvc.ErrNotFound, http.StatusNotFound},
		{leadsvc.ErrConflict, http.StatusConflict},
		{leadsvc.ErrInvalid, http.StatusUnprocessableEntity},
		{leadsvc.ErrUnknownOrganization, http.StatusUnprocessableEntity},
		{leadsvc.ErrUnavailable, http.StatusServiceUnavailable},
		{leadsvc.ErrOverloaded, http.StatusServiceUnavailable},
		{leadsvc.ErrClosed, http.StatusServiceUnavailable},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
		{&leadsvc.StaleError{Err: leadsvc.ErrUnavailable}, http.StatusServiceUnavailable},
		{errors.New("another"), http.StatusInternalServerError},
	} {
		n := &node{logger: discard}
		err := test.err
		if _, told := errors.AsType[badRequest](err); err != nil && !told {
			err = fmt.Errorf("unspeakable: %w", err)
		}
		w := httptest.NewRecorder()
		n.respond(w, "value", err)
		if w.Code != test.status || strings.Contains(w.Body.String(), "unspeakable") {
			t.Errorf("%v = %d %s, want %d", test.err, w.Code, w.Body, test.status)
		}
		if retry := w.Header().Get("Retry-After") != ""; retry != (test.status == http.StatusServiceUnavailable) {
			t.Errorf("%v: Retry-After is there: %t", test.err, retry)
		}
	}
}
