package main

import (
	"context"
	"net"
	"testing"

	"github.com/coder/websocket/wsjson"

	"leadcache/cmd/demo/inbound"
	"leadcache/internal/servertest"
)

// A WebSocket that takes its time to end takes none from others: the port is
// closed meanwhile, and requests under way are waited for.
func TestServeDrainsAllAtOnce(t *testing.T) {
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
	first, err := say(t, ws, inbound.Text{ID: "1", From: "6045550177", To: unlisted, Body: "hello"})
	if err != nil || first.Error != "" {
		t.Fatalf("answer = %+v, %v", first, err)
	}

	release := b.hold(t, first.LeadID)
	if err := wsjson.Write(t.Context(), ws, inbound.Text{ID: "2", From: "6045550177", To: unlisted, Body: "hello"}); err != nil {
		t.Fatal(err)
	}
	b.awaitHeld(t)
	cancel()
	servertest.Eventually(t, drainTime, func() bool {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, "the port to be closed")
	release() // before the database gives up
	var second inbound.Answer
	if err := wsjson.Read(t.Context(), ws, &second); err != nil || second.ID != "2" || second.Error != "" {
		t.Errorf("answer = %+v, %v, want a good one to the second text", second, err)
	}
	_, _, _ = ws.Read(t.Context()) // agrees to the end
	if err := <-served; err != nil {
		t.Errorf("serve = %v, want nil", err)
	}
}

// hold keeps texts of a lead from being stored until release is called.
func (b *bench) hold(t *testing.T, leadID string) (release func()) {
	t.Helper()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := b.store.conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`BEGIN`)
	exec(`SELECT FROM leads WHERE id = $1 FOR UPDATE`, leadID)
	return func() { t.Helper(); exec(`COMMIT`) }
}

// awaitHeld waits until somebody waits for hold.
func (b *bench) awaitHeld(t *testing.T) {
	t.Helper()
	const sql = `SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid`
	servertest.Eventually(t, drainTime, func() bool {
		var n int
		if err := b.store.conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	}, "a text to be held")
}
