package inbound

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
)

// maxBody is far above what either webhook sends, a few kilobytes.
const maxBody = 64 << 10

// readBody returns the whole body of a request that must have that media
// type.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, mediaType string) ([]byte, error) {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || got != mediaType {
		return nil, &refusal{http.StatusUnsupportedMediaType, "want " + mediaType}
	}
	// A writer without deadlines has no connection that could be held open.
	// The server ends the deadline when it has seen the end of the body.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.opts.ReadTimeout))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return data, nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "body is too large"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &refusal{http.StatusRequestTimeout, "body did not arrive in time"}
	}
	return nil, badRequest("body is incomplete")
}
