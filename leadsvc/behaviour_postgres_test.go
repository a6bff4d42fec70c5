package leadsvc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviourWithPostgresDown is about what is cached, and what is not.
func TestBehaviourWithPostgresDown(t *testing.T) {
	t.Parallel()
	t.Run("cached entries are served, a miss is the database's error, nothing negative is cached", func(t *testing.T) {
		t.Parallel()
		postgres := servertest.Postgres(t)
		f := newFleet(t)
		f.databaseURL = postgres.URL()
		f.sql = f.connect(t)
		if err := f.openDB(t).Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := &scene{fleet: f, options: tiered.RedisOptions{URL: f.redisURL, Prefix: f.prefix, Timeout: soon}, between: nothing}
		s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
		s.awaitRedis(t)
		lead := s.filled(t)
		want := ask(t, s.nodes[0], lead)
		s.wantOrganization(t, 0, phone, "Default")
		held := s.keys(t)

		postgres.Kill()
		for i, n := range s.nodes {
			if diff := cmp.Diff(want, ask(t, n, lead)); diff != "" {
				t.Errorf("what is cached (-want +got):\n%s", diff)
			}
			s.wantOrganization(t, i, phone, "Default")
		}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		for method, err := range askAll(ctx, s.nodes[0], "+16045550000", noOrg) {
			if err == nil || errors.Is(err, leadsvc.ErrNotFound) || strings.Contains(err.Error(), "604555") || ctx.Err() != nil {
				t.Errorf("%s: %v, want the database's error, at once and without the number", method, err)
			}
		}
		s.wantKeys(t, held...)

		if err := postgres.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		servertest.Eventually(t, soon, func() bool {
			_, err := s.nodes[0].FindLeadByPhone(t.Context(), "+16045550000", defaultOrg)
			return errors.Is(err, leadsvc.ErrNotFound)
		}, "the database to answer again")
	})

	t.Run("both down: an error, in bounded time", func(t *testing.T) {
		t.Parallel()
		f := &fleet{databaseURL: "postgres://127.0.0.1:1/none?sslmode=disable"}
		n := f.nodeWith(t, tiered.RedisOptions{URL: "redis://127.0.0.1:1"}, leadsvc.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		for method, err := range askAll(ctx, n, phone, noOrg) {
			if err == nil || errors.Is(err, leadsvc.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want the database's error", method, err)
			}
		}
	})
}
