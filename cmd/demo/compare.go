package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A question asks one node for something that the database has too. It
// returns what was different, or "".
type question func(ctx context.Context, f *fleet, n *child) (different string, err error)

// questions returns one for every lead and every number seen in the traffic,
// and one for the last messages of each lead.
func questions(l *ledger, s snapshot) []question {
	var all []question
	for _, lead := range l.knownLeads() {
		all = append(all,
			equals("lead", leadPath("/lead", lead.customer, nil), s.leads[lead.id]),
			equals("conversations", historyPath(lead.id), s.messages[lead.id]...))
	}
	for number, id := range l.seenNumbers() {
		path := "/organization?" + url.Values{"number": {number}}.Encode()
		all = append(all, equals("organization", path, s.organizations[id]))
	}
	return all
}

// calls returns a phone call of every lead that has a name: the agent must be
// told that name, and say it.
func calls(l *ledger, s snapshot) []question {
	var all []question
	for _, lead := range l.knownLeads() {
		name, _ := s.leads[lead.id]["customer_name"].(string)
		if name == "" {
			continue
		}
		all = append(all, func(ctx context.Context, f *fleet, n *child) (string, error) {
			k := newCall("CA"+rand.Text(), lead.customer, l.organization(lead.organization))
			b, _, err := f.brief(ctx, n, k)
			if err != nil {
				return "", fmt.Errorf("phone call: %w", bare(err))
			}
			return b.outdated(name), nil
		})
	}
	return all
}

// compareAll puts every question to every node. It returns how many answers it
// compared, and how often each difference was found.
func compareAll(ctx context.Context, f *fleet, ask []question) (int, map[string]int, error) {
	var mu sync.Mutex
	differences := make(map[string]int)
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(8) // keeps two processors busy
	for _, q := range ask {
		for _, n := range f.nodes {
			workers.Go(func() error {
				different, err := q(ctx, f, n)
				if err != nil {
					return fmt.Errorf("node %d: %w", n.index, err)
				}
				if different != "" {
					mu.Lock()
					differences[different]++
					mu.Unlock()
				}
				return nil
			})
		}
	}
	err := workers.Wait()
	return len(ask) * len(f.nodes), differences, err
}

// equals asks for a path whose answer must be the rows: one as an object, or
// any number as an array.
func equals(what, path string, want ...row) question {
	return func(ctx context.Context, f *fleet, n *child) (string, error) {
		var got any
		status, err := f.getJSON(ctx, n, path, &got)
		switch {
		case err != nil:
			return "", fmt.Errorf("read of %s: %w", what, err)
		case status != http.StatusOK && status != http.StatusNotFound:
			return "", fmt.Errorf("read of %s: status %d", what, status)
		}
		if different := difference(want, list(got)); different != "" {
			return what + different, nil
		}
		return "", nil
	}
}

// list returns the objects of an answer, one or an array of them.
func list(answer any) []row {
	switch v := answer.(type) {
	case row:
		return []row{v}
	case []any:
		objects := make([]row, len(v))
		for i := range v {
			objects[i], _ = v[i].(row) // nil for what is no object: equal to no row
		}
		return objects
	default:
		return nil
	}
}

// difference tells in which field a node's answer is not equal to the rows of
// the database, or returns "".
func difference(want, got []row) string {
	if len(want) != len(got) {
		return " itself"
	}
	for i := range want {
		if field := differentField(want[i], got[i]); field != "" {
			return "." + field
		}
	}
	return ""
}

// differentField returns the first field in which two rows differ, or "".
func differentField(want, got row) string {
	fields := slices.Sorted(maps.Keys(want))
	for field := range got {
		if _, ok := want[field]; !ok {
			fields = append(fields, field)
		}
	}
	for _, field := range fields {
		if !equal(want[field], got[field]) {
			return field
		}
	}
	return ""
}

// equal compares two JSON values. A null is equal to an empty text or object,
// which is how Go writes it, and times are equal in whatever zone.
func equal(a, b any) bool {
	if empty(a) && empty(b) || reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := instant(a)
	y, errY := instant(b)
	return errX == nil && errY == nil && x.Equal(y)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

func instant(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errors.New("not a text")
	}
	return time.Parse(time.RFC3339Nano, s)
}
