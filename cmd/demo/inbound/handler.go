package inbound

import (
	"context"
	"net/http"
)

// The paths of the three routes.
const (
	CallPath   = "/webhooks/elevenlabs/conversation-initiation"
	SMSPath    = "/webhooks/twilio/sms"
	SocketPath = "/ws/sms"
)

// Handler serves the routes of this package and answers 404 to all others. It
// may be mounted anywhere in a mux as long as the path stays whole.
type Handler struct {
	opts     Options
	mux      *http.ServeMux
	sockets  sockets
	warnings warnings
}

// New returns a handler. The error names all options that are wrong. It starts
// nothing.
func New(o Options) (*Handler, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	h := &Handler{opts: o, mux: http.NewServeMux(), sockets: newSockets()}
	h.warnings.logger = o.Logger
	h.mux.HandleFunc("POST "+CallPath, h.answering(h.serveCall))
	h.mux.HandleFunc("POST "+SMSPath, h.answering(h.serveSMS))
	h.mux.HandleFunc("GET "+SocketPath, h.answering(h.serveSocket))
	return h, nil
}

// ServeHTTP serves one request, until its WebSocket ends if it opens one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Drain refuses new WebSockets, ends the open ones once what they have in
// flight is answered, and returns when all are over. When ctx ends first, it
// cuts them off and returns the error of ctx. It may be called more than once.
//
// Requests to the webhooks are not its business: [http.Server.Shutdown] waits
// for those, and knows nothing of WebSockets.
func (h *Handler) Drain(ctx context.Context) error { return h.sockets.drain(ctx) }

// answering answers what serve refuses or fails to do.
func (h *Handler) answering(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			h.refuse(w, err)
		}
	}
}
