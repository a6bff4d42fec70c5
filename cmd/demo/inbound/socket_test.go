package inbound_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
)

func text(id string) inbound.Text {
	return inbound.Text{ID: id, From: caller, To: orgPhone, Body: body}
}

func send(t *testing.T, ws *websocket.Conn, m inbound.Text) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(t.Context(), websocket.MessageText, data); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, ws *websocket.Conn) (a inbound.Answer, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, data, err := ws.Read(ctx)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}

func say(t *testing.T, ws *websocket.Conn, m inbound.Text) (inbound.Answer, error) {
	t.Helper()
	send(t, ws, m)
	return receive(t, ws)
}

func TestSocket(t *testing.T) {
	t.Parallel()
	d := open(t, locked)

	t.Run("a text finds its organization and makes one lead", func(t *testing.T) {
		ws := d.dial(t)
		first, err := say(t, ws, text("1"))
		if err != nil || first.ID != "1" || first.Error != "" || first.OrganizationID != orgID || first.LeadID == "" ||
			first.LeadStatus != "new" || first.Reply == "" || first.Source != "loader" || first.LookupNS <= 0 || first.AckedAt <= 0 {
			t.Fatalf("answer = %+v, %v, want a new lead of %s from the database", first, err, orgID)
		}
		for i, from := range []string{"+16045550177", "604.555.0177", "sip:+16045550177@10.0.0.7"} {
			m := text(fmt.Sprint("again", i))
			m.From, m.To = from, "sip:"+orgPhone+"@192.168.100.1"
			if again, err := say(t, ws, m); err != nil || again.LeadID != first.LeadID {
				t.Errorf("answer = %+v, %v, want lead %s", again, err, first.LeadID)
			}
		}
		if third, err := say(t, ws, text("1")); err != nil || third.Source != "local" || third.LeadID != first.LeadID {
			t.Errorf("answer = %+v, %v, want one from the local tier", third, err)
		}
		d.wantRows(t, 1, 4)
	})

	t.Run("a number of no organization leads to the default one", func(t *testing.T) {
		m := text("2")
		m.To = unlisted
		if a, err := say(t, d.dial(t), m); err != nil || a.OrganizationID != defaultOrg {
			t.Errorf("answer = %+v, %v, want the default organization", a, err)
		}
	})

	t.Run("an id stands for one text", func(t *testing.T) {
		m := text("1")
		m.Body = "another"
		if a, err := say(t, d.dial(t), m); err != nil || a.ID != "1" || !strings.Contains(a.Error, "another text") || a.Reply != "" {
			t.Errorf("answer = %+v, %v, want an error about another text", a, err)
		}
	})

	t.Run("a text with a wrong field is answered, and the next one too", func(t *testing.T) {
		ws := d.dial(t)
		for field, m := range map[string]inbound.Text{
			"from": {ID: "3", From: "sip:anonymous@192.168.1.1", To: orgPhone, Body: body},
			"to":   {ID: "3", From: caller, To: strings.Repeat("1", 65), Body: body},
			"body": {ID: "3", From: caller, To: orgPhone},
		} {
			if a, err := say(t, ws, m); err != nil || a.ID != "3" || a.LeadID != "" || !strings.Contains(a.Error, field) {
				t.Errorf("answer = %+v, %v, want an error about %s", a, err, field)
			}
		}
		if a, err := say(t, ws, text("4")); err != nil || a.Error != "" {
			t.Errorf("answer = %+v, %v, want a good one", a, err)
		}
	})
	d.wantDiscretion(t)
}

func TestSocketEndsForWhatIsNoText(t *testing.T) {
	t.Parallel()
	d := open(t, locked)
	other := d.dial(t)
	long := strings.Repeat("x", 40<<10)
	for _, test := range []struct {
		name   string
		kind   websocket.MessageType
		data   string
		want   websocket.StatusCode
		reason string
	}{
		{"no JSON", websocket.MessageText, `{"id":`, websocket.StatusInvalidFramePayloadData, "JSON"},
		{"no UTF-8", websocket.MessageText, "{\"id\":\"1\xff\"}", websocket.StatusInvalidFramePayloadData, "UTF-8"},
		{"another type", websocket.MessageText, `{"id":1}`, websocket.StatusInvalidFramePayloadData, "JSON"},
		{"not text", websocket.MessageBinary, `{}`, websocket.StatusUnsupportedData, "text"},
		{"no id", websocket.MessageText, `{"from":"1","to":"1","body":"b"}`, websocket.StatusPolicyViolation, "id"},
		{"null", websocket.MessageText, `null`, websocket.StatusPolicyViolation, "id"},
		{"long id", websocket.MessageText, `{"id":"` + long[:129] + `"}`, websocket.StatusPolicyViolation, "id"},
		{"too much", websocket.MessageText, long, websocket.StatusMessageTooBig, "big"},
		{"far too much", websocket.MessageText, strings.Repeat(long, 50), websocket.StatusMessageTooBig, "big"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ws := d.dial(t)
			send(t, ws, text("before")) // is answered first
			if err := ws.Write(t.Context(), test.kind, []byte(test.data)); err != nil {
				t.Fatal(err)
			}
			if a, err := receive(t, ws); err != nil || a.ID != "before" || a.Error != "" {
				t.Errorf("the text before gets %+v, %v, want a good answer", a, err)
			}
			_, err := receive(t, ws)
			closed, ok := errors.AsType[websocket.CloseError](err)
			if !ok || closed.Code != test.want || !strings.Contains(closed.Reason, test.reason) {
				t.Errorf("closed with %v, want %v and a reason with %s", err, test.want, test.reason)
			}
			if a, err := say(t, other, text("other")); err != nil || a.Error != "" {
				t.Errorf("another connection gets %+v, %v, want a good answer", a, err)
			}
		})
	}
	d.wantDiscretion(t)
}

// block keeps texts of a lead from being stored until release is called.
func (d *desk) block(t *testing.T, leadID string) (release func()) {
	t.Helper()
	tx, err := d.sql.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM leads WHERE id = $1 FOR UPDATE`, leadID); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConversationsOfOneSocket(t *testing.T) {
	t.Parallel()
	d := open(t, locked)
	ws := d.dial(t)
	slow, err := say(t, ws, text("first"))
	if err != nil || slow.Error != "" {
		t.Fatalf("answer = %+v, %v", slow, err)
	}
	release := d.block(t, slow.LeadID)
	const waiting = 5
	for i := range waiting {
		m := text(fmt.Sprint("slow", i))
		m.From = []string{caller, "604-555-0177"}[i%2] // the same conversation
		send(t, ws, m)
	}
	for i := range waiting {
		m := text(fmt.Sprint("quick", i))
		m.From = fmt.Sprintf("+1604555020%d", i)
		if a, err := say(t, ws, m); err != nil || a.ID != m.ID || a.Error != "" {
			t.Errorf("another conversation gets %+v, %v, want %s", a, err, m.ID)
		}
	}
	release()
	for i := range waiting {
		if a, err := receive(t, ws); err != nil || a.ID != fmt.Sprint("slow", i) || a.Error != "" {
			t.Errorf("answer %d = %+v, %v, want that of slow%d", i, a, err, i)
		}
	}
	const sql = `SELECT count(*) FROM (SELECT external_id, row_number() OVER (ORDER BY "timestamp") - 1 AS n
		FROM conversations WHERE external_id LIKE 'slow%') c WHERE external_id = 'slow' || n`
	if got := d.count(t, sql); got != waiting {
		t.Errorf("%d texts are stored in order, want %d", got, waiting)
	}
}

// Texts that wait for one that takes too long are refused with it.
func TestWaitingCountsTowardsRequestTimeout(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.Logger, o.RequestTimeout = slog.New(slog.DiscardHandler), 2*time.Second })
	ws := d.dial(t)
	first, err := say(t, ws, text("first"))
	if err != nil || first.Error != "" {
		t.Fatalf("answer = %+v, %v", first, err)
	}
	release := d.block(t, first.LeadID)
	const waiting = 5 // if each waited as long, they would take longer than soon
	for i := range waiting {
		send(t, ws, text(fmt.Sprint("slow", i)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for i := range waiting {
		var a inbound.Answer
		if err := wsjson.Read(ctx, ws, &a); err != nil || a.ID != fmt.Sprint("slow", i) || a.Error == "" {
			t.Fatalf("answer %d = %+v, %v, want an error", i, a, err)
		}
	}
	release()
	if a, err := say(t, ws, text("last")); err != nil || a.Error != "" {
		t.Errorf("answer = %+v, %v, want a good one", a, err)
	}
}

func TestSocketIdle(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.IdleTimeout, o.CloseTimeout = 200*time.Millisecond, 200*time.Millisecond })
	t.Run("silence ends it", func(t *testing.T) {
		_, err := receive(t, d.dial(t))
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("closed with %v, want going away", err)
		}
	})
	t.Run("so does half a message", func(t *testing.T) {
		conn := d.upgrade(t)
		// A masked text frame of 4 KiB, of which nothing follows.
		if _, err := conn.Write([]byte{0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 5}); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if len(got) < 4 || got[0] != 0x88 || binary.BigEndian.Uint16(got[2:]) != uint16(websocket.StatusGoingAway) {
			t.Errorf("read % x, %v, want a close frame with going away", got, err)
		}
	})
	t.Run("so does what is left of a message that is too big", func(t *testing.T) {
		conn := d.upgrade(t)
		if _, err := conn.Write(beginningOfTooBig()); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn) // until the server gives up
		if len(got) < 4 || got[0] != 0x88 || binary.BigEndian.Uint16(got[2:]) != uint16(websocket.StatusMessageTooBig) ||
			errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read % x, %v, want a close frame with message too big", got, err)
		}
	})
}

// beginningOfTooBig returns more than may be read of one message, and not all
// of it.
func beginningOfTooBig() []byte {
	head := []byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4} // masked text of 64 KiB
	return append(head, make([]byte, 40<<10)...)
}

// upgrade opens a WebSocket whose frames are the test's own business.
func (d *desk) upgrade(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if err := handshake(func(*http.Request) {})(t, d).Write(conn); err != nil {
		t.Fatal(err)
	}
	var head []byte // byte by byte: a reader would take of what follows
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b...) {
		if _, err := conn.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		t.Fatalf("answer %s, want 101", head)
	}
	return conn
}

// A client that sends and does not read fills the buffers between.
func TestSocketSlowReader(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.WriteTimeout = 200 * time.Millisecond })
	conn := d.upgrade(t)
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("i", 120)
	payload := []byte(`{"id":"` + id + `"}`) // refused without a look-up
	frame := append([]byte{0x81, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload)), 0, 0, 0, 0}, payload...)
	for range 1_000_000 {
		if _, err := conn.Write(frame); err != nil {
			break // cut off
		}
	}
	servertest.Eventually(t, soon, func() bool { return strings.Contains(d.log.String(), "cut off") }, "a word in the log")
	if a, err := say(t, d.dial(t), text("1")); err != nil || a.Error != "" {
		t.Errorf("another connection gets %+v, %v, want a good answer", a, err)
	}
	d.wantDiscretion(t)
}

func TestDrain(t *testing.T) {
	t.Parallel()

	t.Run("what is under way is answered, then clients are told", func(t *testing.T) {
		t.Parallel()
		d := open(t, nil)
		ws := d.dial(t)
		first, err := say(t, ws, text("first"))
		if err != nil || first.Error != "" {
			t.Fatalf("answer = %+v, %v", first, err)
		}
		release := d.block(t, first.LeadID)
		send(t, ws, text("second"))
		d.wantBlocked(t)
		drained := make(chan error, 1)
		go func() { drained <- d.Drain(context.Background()) }()
		servertest.Eventually(t, soon, func() bool {
			return d.do(t, handshake(func(*http.Request) {})(t, d)).status == http.StatusServiceUnavailable
		}, "new connections to be refused")
		send(t, ws, text("third")) // too late, and in nobody's way
		release()
		if a, err := receive(t, ws); err != nil || a.ID != "second" || a.Error != "" {
			t.Errorf("answer = %+v, %v, want that of the second text", a, err)
		}
		if _, err := receive(t, ws); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("closed with %v, want going away", err)
		}
		if err := <-drained; err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
		d.wantRows(t, 1, 2)
	})

	for name, sent := range map[string][]byte{"nothing": nil, "half of too big a message": beginningOfTooBig()} {
		t.Run("who sent "+name+" and does not agree in time is cut off", func(t *testing.T) {
			t.Parallel()
			d := open(t, func(o *inbound.Options) { o.CloseTimeout = time.Hour })
			conn := d.upgrade(t) // never answers a close frame
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			drained := make(chan error, 1)
			go func() { drained <- d.Drain(ctx) }()
			if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
				t.Fatalf("no close frame: %v", err)
			}
			cancel()
			if err := <-drained; !errors.Is(err, context.Canceled) {
				t.Errorf("Drain = %v, want context.Canceled", err)
			}
		})
	}
}

func TestDrainWaitsForNoSilentClient(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.CloseTimeout, o.WriteTimeout = 100*time.Millisecond, time.Hour })
	conn := d.upgrade(t)
	if _, err := conn.Write(beginningOfTooBig()); err != nil { // and never agrees
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := d.Drain(ctx); err != nil {
		t.Errorf("Drain = %v, want nil", err)
	}
}

// wantBlocked waits until a statement of the handler waits for block.
func (d *desk) wantBlocked(t *testing.T) {
	t.Helper()
	watcher := connect(t, d.sql.Config().ConnString())
	const sql = `SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`
	servertest.Eventually(t, soon, func() bool {
		var n int
		if err := watcher.QueryRow(t.Context(), sql, d.sql.PgConn().PID()).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	}, "a text to be blocked")
}

// A service that panics stands for the bad row that nobody thought of.
func TestSocketSurvivesPanics(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *inbound.Options) { o.Service = new(leadsvc.Service) })
	ws := d.dial(t)
	for range 2 {
		if a, err := say(t, ws, text("1")); err != nil || a.ID != "1" || a.Error == "" {
			t.Errorf("answer = %+v, %v, want an error in it", a, err)
		}
	}
	if log := d.log.String(); !strings.Contains(log, "answerText") {
		t.Errorf("the log does not say where: %s", log)
	}
	d.wantDiscretion(t)
}
