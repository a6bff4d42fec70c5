package inbound_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const (
	orgID    = "b0c1b1c1-0000-0000-0000-000000000002"
	orgPhone = "+17785550100"
	orgName  = `Bike & "Sons" <North>`
	settings = `{"location": "1 Main St", "services": ["sales", "repairs"],
		"business_hours": {"monday": "9 to 5", "sunday": null}}`

	defaultOrg = "b0c1b1c1-0000-0000-0000-000000000001"
	unlisted   = "+15005550199"

	caller = "+1 604 555 0177"
	body   = "a body that nobody may log"

	elevenLabsSecret = "wsec_unspeakable"
	elevenLabsToken  = "xi-unspeakable"
	twilioToken      = "auth-unspeakable"
	socketToken      = "ws-unspeakable"
)

// soon bounds waits for what happens in other goroutines and processes.
const soon = 5 * time.Second

// A desk is a handler on real servers, behind a test server.
type desk struct {
	*inbound.Handler
	url string
	log *safeBuffer
	sql *pgx.Conn // past the handler
}

// open returns a desk that asks for no secret, unless change says so.
func open(t *testing.T, change func(*inbound.Options)) *desk {
	t.Helper()
	databaseURL := servertest.Schema(t, servertest.DatabaseURL(t), servertest.Script(t, "../../../pg/migrations/*.sql"))
	redisURL := servertest.RedisURL(t)
	redis := tiered.RedisOptions{URL: redisURL, Prefix: servertest.Prefix(t, redisURL), Timeout: 5 * time.Second}
	d := openOn(t, databaseURL, redis, change)
	d.sql = connect(t, databaseURL)
	d.exec(t, `INSERT INTO organizations (id, name, phone_number, settings) VALUES ($1, $2, $3, $4)`,
		orgID, orgName, orgPhone, settings)
	return d
}

// openOn is open on a database as it is.
func openOn(t *testing.T, databaseURL string, redis tiered.RedisOptions, change func(*inbound.Options)) *desk {
	t.Helper()
	return openWith(t, databaseURL, redis, leadsvc.Config{}, change)
}

// openWith is openOn with a service of that configuration.
func openWith(
	t *testing.T, databaseURL string, redis tiered.RedisOptions, cfg leadsvc.Config, change func(*inbound.Options),
) *desk {
	t.Helper()
	d := &desk{log: new(safeBuffer)}
	logger := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	redis.Logger = logger
	link, err := tiered.Dial(redis)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { link.Close() })
	if !redis.Disabled {
		servertest.Eventually(t, soon, func() bool { return link.Status().Connected }, "Redis")
	}
	db, err := pg.Open(t.Context(), pg.Options{URL: databaseURL, MaxConns: 8, Logger: logger})
	if err != nil {
		t.Fatalf("pg.Open: %v", err)
	}
	t.Cleanup(db.Close)
	cfg.Logger = logger
	service, err := leadsvc.New(link, db, cfg)
	if err != nil {
		t.Fatalf("leadsvc.New: %v", err)
	}
	t.Cleanup(func() { service.Close() })
	o := inbound.Options{Service: service, Logger: logger}
	if change != nil {
		change(&o)
	}
	d.serve(t, o)
	return d
}

// serve starts the server, which ends before the service does.
func (d *desk) serve(t *testing.T, o inbound.Options) {
	t.Helper()
	var err error
	if d.Handler, err = inbound.New(o); err != nil {
		t.Fatalf("New: %v", err)
	}
	server := httptest.NewUnstartedServer(d.Handler)
	server.Config.ErrorLog = slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn)
	server.Listener = smallBuffers{server.Listener}
	server.Start()
	t.Cleanup(func() {
		if err := d.Drain(context.Background()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		server.Close()
	})
	d.url = server.URL
}

func migrate(t *testing.T, databaseURL string) {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Options{URL: databaseURL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("pg.Open: %v", err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (d *desk) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := d.sql.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// count returns the one number that a query is about.
func (d *desk) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := d.sql.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// wantRows fails unless there are so many leads and stored texts.
func (d *desk) wantRows(t *testing.T, leads, texts int) {
	t.Helper()
	if got := d.count(t, `SELECT count(*) FROM leads`); got != leads {
		t.Errorf("%d leads, want %d", got, leads)
	}
	if got := d.count(t, `SELECT count(*) FROM conversations`); got != texts {
		t.Errorf("%d texts, want %d", got, texts)
	}
}

// wantDiscretion fails if the log holds what it must not.
func (d *desk) wantDiscretion(t *testing.T) {
	t.Helper()
	log := d.log.String()
	if n := phone.FindString(log); n != "" {
		t.Errorf("the log holds the number %q:\n%s", n, log)
	}
	for _, secret := range []string{"unspeakable", "nobody may log", "v0=", "caller_id"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
}

// phone matches the numbers of these tests, however they are written, but not a part of
// an address in a stack.
var phone = regexp.MustCompile(`(?:\b|%2B)1?[^0-9a-z]{0,2}\d{3}[^0-9a-z]{0,2}555[^0-9a-z]?\d{4}\b`)

// A reply is an answer of the server, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (d *desk) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return reply{response.StatusCode, response.Header, string(data)}
}

// request returns a POST of content to path.
func (d *desk) request(t *testing.T, path, mediaType, content string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	return r
}

// callRequest returns a call that is signed, now and with the right secret.
func (d *desk) callRequest(t *testing.T, content string) *http.Request {
	t.Helper()
	r := d.request(t, inbound.CallPath, "application/json", content)
	r.Header.Set("Elevenlabs-Signature", inbound.SignElevenLabs(elevenLabsSecret, time.Now(), []byte(content)))
	r.Header.Set("Authorization", "Bearer "+elevenLabsToken)
	return r
}

// smsRequest returns a text that is signed with the right token.
func (d *desk) smsRequest(t *testing.T, form url.Values) *http.Request {
	t.Helper()
	r := d.request(t, inbound.SMSPath, "application/x-www-form-urlencoded", form.Encode())
	r.Header.Set("X-Twilio-Signature", inbound.SignTwilio(twilioToken, d.url+inbound.SMSPath, form))
	return r
}

func sms(sid, from string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "From": {from}, "To": {orgPhone}, "Body": {body},
		"AccountSid": {"AC1"}, "NumMedia": {"0"},
	}
}

// dial opens a WebSocket with the right token.
func (d *desk) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), d.url+inbound.SocketPath, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + socketToken}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// locked secrets are all that there are.
func locked(o *inbound.Options) {
	o.ElevenLabsSecret, o.ElevenLabsToken = elevenLabsSecret, elevenLabsToken
	o.TwilioToken, o.SocketToken = twilioToken, socketToken
}

// safeBuffer is a log that many write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
