package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/servertest"
)

// A bench is a node on real servers, behind a test server.
type bench struct {
	*node
	url           string
	secrets       secrets
	store         *store
	organizations []organization
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{secrets: newSecrets()}
	store, err := openStore(t.Context(), servertest.DatabaseURL(t), "test_"+strings.ToLower(rand.Text()), discard)
	if err != nil {
		t.Fatal(err)
	}
	b.store = store
	t.Cleanup(func() {
		if err := store.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if b.organizations, err = store.seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	redisURL := servertest.RedisURL(t)
	b.node, err = openNode(t.Context(), nodeConfig{
		RedisEnabled: true, RedisURL: redisURL, Prefix: servertest.Prefix(t, redisURL),
		DatabaseURL: withSchema(store.url, store.schema),
		Secrets:     b.secrets,
	}, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	if why := b.awaitRedis(t.Context()); why != "" {
		t.Fatalf("Redis is not connected: %s", why)
	}
	server := httptest.NewServer(b.routes())
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

var discard = slog.New(slog.DiscardHandler)

func (b *bench) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), b.url+inbound.SocketPath, socketOptions(b.secrets))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

func say(t *testing.T, ws *websocket.Conn, m inbound.Text) (inbound.Answer, error) {
	t.Helper()
	if err := wsjson.Write(t.Context(), ws, m); err != nil {
		return inbound.Answer{}, err
	}
	var a inbound.Answer
	return a, wsjson.Read(t.Context(), ws, &a)
}

func (b *bench) do(t *testing.T, method, path, body string) (status int, answered map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(data, []byte("{")) {
		if err := json.Unmarshal(data, &answered); err != nil {
			t.Fatalf("%s %s answers %q: %v", method, path, data, err)
		}
	}
	return response.StatusCode, answered
}

func TestHandlers(t *testing.T) {
	b := setup(t)
	organization := b.organizations[1]
	a, err := say(t, b.dial(t), inbound.Text{ID: "1", From: "+16045550177", To: organization.number, Body: "hello"})
	if err != nil || a.Error != "" {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	lead := "/lead?from=604-555-0177&org=" + organization.id
	patch := "/leads/" + a.LeadID

	for _, test := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"lead", "GET", lead, "", 200},
		{"unknown lead", "GET", "/lead?from=6045550178&org=" + organization.id, "", 404},
		{"no phone", "GET", "/lead?from=anonymous&org=" + organization.id, "", 400},
		{"nothing asked", "GET", "/lead", "", 400},
		{"conversations", "GET", "/conversations?limit=5&lead=" + a.LeadID, "", 200},
		{"conversations of nobody", "GET", "/conversations?limit=5&lead=nobody", "", 200},
		{"no lead", "GET", "/conversations?limit=5", "", 400},
		{"no limit", "GET", "/conversations?lead=" + a.LeadID, "", 400},
		{"limit no number", "GET", "/conversations?limit=all&lead=" + a.LeadID, "", 400},
		{"limit too small", "GET", "/conversations?limit=0&lead=" + a.LeadID, "", 422},
		{"organization", "GET", "/organization?number=" + url.QueryEscape(organization.number), "", 200},
		{"no organization asked", "GET", "/organization", "", 400},
		{"watch nothing", "GET", "/watch", "", 400},
		{"watch no phone", "GET", "/watch?from=anonymous&org=" + organization.id, "", 400},
		{"no token", "GET", "/ws/sms", "", 401},
		{"wrong method", "POST", lead, "", 405},
		{"no JSON", "PATCH", patch, `{"customer_name":`, 400},
		{"no object", "PATCH", patch, `["customer_name"]`, 400},
		{"no field", "PATCH", patch, `{}`, 400},
		{"unknown field", "PATCH", patch, `{"nick":"Ann"}`, 400},
		{"wrong type", "PATCH", patch, `{"customer_name":7}`, 400},
		{"wrong time", "PATCH", patch, `{"last_contact_at":"noon"}`, 400},
		{"wrong status", "PATCH", patch, `{"status":"lukewarm"}`, 422},
		{"null status", "PATCH", patch, `{"status":null}`, 422},
		{"unknown organization", "PATCH", patch, `{"organization_id":"00000000-0000-4000-8000-000000000000"}`, 422},
		{"no such lead", "PATCH", "/leads/00000000-0000-4000-8000-000000000000", `{"email":null}`, 404},
		{"no id", "PATCH", "/leads/x", `{"email":null}`, 404},
		{"too long", "PATCH", patch, `{"customer_name":"` + strings.Repeat("x", maxMessage) + `"}`, 413},
		{"stats", "GET", "/stats", "", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, answered := b.do(t, test.method, test.path, test.body)
			if status != test.want {
				t.Errorf("%s %s = %d %v, want %d", test.method, test.path, status, answered, test.want)
			}
			if said := fmt.Sprint(answered["error"]); status != 200 && strings.Contains(said, "604") {
				t.Errorf("the error %q holds a phone number", said)
			}
		})
	}

	t.Run("every field can be changed, and emptied", func(t *testing.T) {
		before := time.Now().UnixNano()
		status, got := b.do(t, "PATCH", patch, `{"customer_name":"Ann","email":"a@example.com","status":"hot",
			"sentiment":"positive","bike_interest":{"size":54},"qualification_data":{"ready_to_buy":true},
			"last_contact_at":"2026-03-01T10:00:00Z","phone_number":"604 555 0179","organization_id":"`+organization.id+`"}`)
		acked, _ := got["acked_at"].(float64)
		if status != 200 || got["customer_name"] != "Ann" || got["status"] != "hot" || acked < float64(before) {
			t.Errorf("PATCH = %d %v, want the changed lead and when", status, got)
		}
		if status, _ := b.do(t, "GET", lead, ""); status != 404 {
			t.Errorf("GET by the old phone = %d, want 404", status)
		}
		lead = strings.Replace(lead, "0177", "0179", 1)
		status, got = b.do(t, "PATCH", patch, `{"customer_name":null,"email":null,"last_contact_at":null,"bike_interest":null}`)
		if status != 200 || got["customer_name"] != nil || got["email"] != nil || got["status"] != "hot" {
			t.Errorf("PATCH = %d %v, want them empty and the rest as it was", status, got)
		}
		if status, read := b.do(t, "GET", lead, ""); status != 200 || read["customer_name"] != nil || read["status"] != "hot" {
			t.Errorf("GET = %d %v, want the same", status, read)
		}
	})

	t.Run("a watch sees a change", func(t *testing.T) {
		n := &child{addr: strings.TrimPrefix(b.url, "http://")}
		f := &fleet{client: &http.Client{Transport: &http.Transport{}}}
		defer f.client.CloseIdleConnections()
		c := customer{"16045550179", organization.id}
		w, err := f.watch(t.Context(), n, leadPath("/watch", c, url.Values{"name": {"Bea"}}))
		if err != nil || !w.cached {
			t.Fatalf("watch = %+v, %v, want one that holds the lead", w, err)
		}
		defer w.body.Close()
		b.do(t, "PATCH", patch, `{"customer_name":"Bea"}`)
		if seen, err := w.wait(); err != nil || seen.AskedAt == 0 || seen.SeenAt < seen.AskedAt {
			t.Errorf("wait = %+v, %v, want when it was seen", seen, err)
		}
	})
	http.DefaultClient.CloseIdleConnections()
}

func TestServe(t *testing.T) {
	b := setup(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- b.serve(ctx, listener) }()
	b.url = "http://" + listener.Addr().String()
	ws := b.dial(t)
	if a, err := say(t, ws, inbound.Text{ID: "1", From: "6045550177", To: unlisted, Body: "hello"}); err != nil || a.Error != "" {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	cancel()
	_, _, err = ws.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("an open conversation ends with %v, want status going away", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve = %v, want nil", err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}
