package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDifference(t *testing.T) {
	one := func() row {
		return row{
			"id": "1", "customer_name": nil, "bike_interest": map[string]any{"size": 54.0},
			"updated_at": "2026-03-01T10:00:00.123456Z", "last_contact_at": nil,
		}
	}
	stored := one()
	stored["updated_at"] = "2026-03-01T10:00:00.123456+00:00"
	for _, test := range []struct {
		name  string
		alter func(row)
		want  string
	}{
		{"the same", func(row) {}, ""},
		{"null as an empty text", func(r row) { r["customer_name"] = "" }, ""},
		{"null left out", func(r row) { delete(r, "last_contact_at") }, ""},
		{"time in another zone", func(r row) { r["updated_at"] = "2026-03-01T02:00:00.123456-08:00" }, ""},
		{"an older time", func(r row) { r["updated_at"] = "2026-03-01T10:00:00.123455Z" }, ".updated_at"},
		{"a name", func(r row) { r["customer_name"] = "Ann" }, ".customer_name"},
		{"another object", func(r row) { r["bike_interest"] = map[string]any{"size": 56.0} }, ".bike_interest"},
		{"a value left out", func(r row) { delete(r, "id") }, ".id"},
		{"a field that no column has", func(r row) { r["nick"] = "Annie" }, ".nick"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := one()
			test.alter(got)
			if different := difference([]row{stored, stored}, []row{one(), got}); different != test.want {
				t.Errorf("difference = %q, want %q", different, test.want)
			}
		})
	}

	t.Run("one more", func(t *testing.T) {
		if got := difference([]row{one()}, []row{one(), one()}); got != " itself" {
			t.Errorf("difference = %q, want the list itself", got)
		}
	})
	t.Run("in another order", func(t *testing.T) {
		if got := difference([]row{{"id": "1"}, {"id": "2"}}, []row{{"id": "2"}, {"id": "1"}}); got != ".id" {
			t.Errorf("difference = %q, want .id", got)
		}
	})
	t.Run("a row that is gone", func(t *testing.T) {
		if got := difference([]row{nil}, []row{one()}); got == "" {
			t.Error("difference with no row = none, want one")
		}
	})
}

// TestEquals asks a server that answers by the path alone.
func TestEquals(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/one":
			_, _ = w.Write([]byte(`{"id": "1"}`))
		case "/many":
			_, _ = w.Write([]byte(`[{"id": "1"}, {"id": "2"}]`))
		case "/none":
			_, _ = w.Write([]byte(`[]`))
		case "/strange":
			_, _ = w.Write([]byte(`[7]`))
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	f := &fleet{client: server.Client(), nodes: []*child{
		{index: 1, addr: strings.TrimPrefix(server.URL, "http://")},
	}}
	first, second := row{"id": "1"}, row{"id": "2"}
	for _, test := range []struct {
		name, path string
		want       []row
		different  string
	}{
		{"the row", "/one", []row{first}, ""},
		{"another row", "/one", []row{second}, "lead.id"},
		{"the rows", "/many", []row{first, second}, ""},
		{"one row too many", "/many", []row{first}, "lead itself"},
		{"rows in another order", "/many", []row{second, first}, "lead.id"},
		{"no rows", "/none", nil, ""},
		{"no rows where there is one", "/none", []row{first}, "lead itself"},
		{"not there", "/unknown", []row{first}, "lead itself"},
		{"not there, nor in the database", "/unknown", []row{nil}, "lead itself"},
		{"no object", "/strange", []row{first}, "lead.id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			compared, differences, err := compareAll(t.Context(), f, []question{equals("lead", test.path, test.want...)})
			if err != nil || compared != 1 {
				t.Fatalf("compareAll = %d, %v, want 1 answer", compared, err)
			}
			if test.different == "" && len(differences) > 0 || test.different != "" && differences[test.different] != 1 {
				t.Errorf("differences = %v, want %q", differences, test.different)
			}
		})
	}
	t.Run("an error of the node", func(t *testing.T) {
		_, _, err := compareAll(t.Context(), f, []question{equals("lead", "/broken", first)})
		if err == nil || !strings.Contains(err.Error(), "node 1: read of lead: status 500") {
			t.Errorf("compareAll = %v, want an error that names node and status", err)
		}
	})
}
