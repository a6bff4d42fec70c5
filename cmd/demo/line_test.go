package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"leadcache/cmd/demo/inbound"
)

// lineTo opens a line to a server that does with its end what serve does.
func lineTo(t *testing.T, serve func(ctx context.Context, ws *websocket.Conn) error) *line {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		if err := serve(r.Context(), ws); err != nil {
			t.Error(err)
		}
		_, _, _ = ws.Read(r.Context()) // until the line is closed
	}))
	t.Cleanup(server.Close)
	tr := &traffic{fleet: new(fleet)}
	l, err := tr.dial(t.Context(), &child{addr: strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func TestLine(t *testing.T) {
	t.Parallel()

	t.Run("answers find their messages in any order", func(t *testing.T) {
		t.Parallel()
		l := lineTo(t, func(ctx context.Context, ws *websocket.Conn) error {
			var texts []inbound.Text
			for range 3 {
				var m inbound.Text
				if err := wsjson.Read(ctx, ws, &m); err != nil {
					return err
				}
				texts = append(texts, m)
			}
			for i := range texts {
				m := texts[len(texts)-1-i]
				if err := wsjson.Write(ctx, ws, inbound.Answer{ID: m.ID, Reply: m.Body}); err != nil {
					return err
				}
			}
			return nil
		})
		var wg sync.WaitGroup
		for _, id := range []string{"a", "b", "c"} {
			wg.Go(func() {
				a, err := l.exchange(t.Context(), inbound.Text{ID: id, Body: "of " + id})
				if err != nil || a.ID != id || a.Reply != "of "+id {
					t.Errorf("exchange(%s) = %+v, %v, want its own answer", id, a, err)
				}
			})
		}
		wg.Wait()
	})

	t.Run("an answer to no message ends it", func(t *testing.T) {
		t.Parallel()
		l := lineTo(t, func(ctx context.Context, ws *websocket.Conn) error {
			return wsjson.Write(ctx, ws, inbound.Answer{ID: "stray"})
		})
		_, err := l.exchange(t.Context(), inbound.Text{ID: "a"})
		if err == nil {
			t.Error("exchange = nil, want an error")
		}
		<-l.ended
		if l.err == nil || !strings.Contains(l.err.Error(), "no message") {
			t.Errorf("ended by %v, want the stray answer", l.err)
		}
	})

	t.Run("a server that leaves fails who waits", func(t *testing.T) {
		t.Parallel()
		l := lineTo(t, func(ctx context.Context, ws *websocket.Conn) error {
			if _, _, err := ws.Read(ctx); err != nil {
				return err
			}
			return ws.Close(websocket.StatusGoingAway, "")
		})
		_, err := l.exchange(t.Context(), inbound.Text{ID: "a"})
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("exchange = %v, want status going away", err)
		}
	})

	t.Run("who stops waiting leaves nothing behind", func(t *testing.T) {
		t.Parallel()
		read := make(chan struct{})
		l := lineTo(t, func(ctx context.Context, ws *websocket.Conn) error {
			_, _, err := ws.Read(ctx)
			close(read)
			return err
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-read; cancel() }()
		if _, err := l.exchange(ctx, inbound.Text{ID: "a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("exchange = %v, want context.Canceled", err)
		}
		if waiting := l.take("a"); waiting != nil {
			t.Error("someone still waits for the answer")
		}
	})
}
