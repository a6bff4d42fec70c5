package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"leadcache/internal/servertest"
)

// A node whose process was stopped, and goes on, answers with what is true now
// from its first read on: it knows that it heard nothing meanwhile.
func TestStoppedNode(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	atTheEnd := func(do func(context.Context) error) {
		t.Cleanup(func() {
			if err := do(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	c := config{nodes: 2, redisEnabled: true, redisURL: servertest.RedisURL(t), databaseURL: servertest.DatabaseURL(t)}
	places, err := openPlaces(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	atTheEnd(places.close)
	store, err := openStore(ctx, places.databaseURL, places.schema, warnings(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	atTheEnd(store.close)
	organizations, err := store.seed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f, err := startFleet(ctx, c.nodes, places.nodeConfig(c), os.Stderr, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	atTheEnd(f.stop)
	writer, sleeper := f.nodes[0], f.nodes[1]

	who := customer{"16045550177", organizations[0].id}
	var id string
	if err := store.conn.QueryRow(ctx, `INSERT INTO leads (organization_id, phone_number, phone_number_normalized, customer_name)
		VALUES ($1, $2, $2, 'Ann') RETURNING id::text`, who.organization, who.phone).Scan(&id); err != nil {
		t.Fatal(err)
	}
	name := func(n *child) string {
		t.Helper()
		var lead struct {
			Name string `json:"customer_name"`
		}
		if status, err := f.getJSON(ctx, n, leadPath("/lead", who, nil), &lead); err != nil || status != http.StatusOK {
			t.Fatalf("GET /lead = %d, %v", status, err)
		}
		return lead.Name
	}
	for range 3 { // now the local tier has it
		if got := name(sleeper); got != "Ann" {
			t.Fatalf("the lead is %q, want Ann", got)
		}
	}
	process := sleeper.cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Second) // the fault itself
	status, err := f.do(ctx, http.MethodPatch, writer, "/leads/"+id, map[string]string{"customer_name": "Bea"}, &struct{}{})
	if err != nil || status != http.StatusOK {
		t.Errorf("PATCH = %d, %v", status, err)
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := name(sleeper); got != "Bea" {
		t.Errorf("the first read after the stop = %q, want Bea", got)
	}
}
