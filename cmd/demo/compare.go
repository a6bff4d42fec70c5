package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// A question asks every node for one row.
type question struct {
	path string // /lead or /organization
	ask  string // path with its query
	id   string // of the row that must be the answer
}

// questions returns one for every lead and every number seen in the traffic.
func questions(l *ledger) []question {
	var all []question
	for _, lead := range l.knownLeads() {
		all = append(all, question{"/lead", leadPath("/lead", lead.customer, nil), lead.id})
	}
	for number, id := range l.seenNumbers() {
		all = append(all, question{"/organization", "/organization?" + url.Values{"number": {number}}.Encode(), id})
	}
	return all
}

// compareAll puts every question to every node and compares with the rows, by
// path and id. It returns how many answers it compared, and how often each
// field was different.
func compareAll(ctx context.Context, f *fleet, ask []question, rows map[string]map[string]row) (int, map[string]int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	differences := make(map[string]int)
	next := make(chan question)
	var wg sync.WaitGroup
	for range 8 { // keeps two processors busy
		wg.Go(func() {
			for q := range next {
				for _, n := range f.nodes {
					field, err := compareOne(ctx, f, n, q, rows[q.path][q.id])
					if err != nil {
						cancel(err)
					}
					if field != "" {
						mu.Lock()
						differences[field]++
						mu.Unlock()
					}
				}
			}
		})
	}
feed:
	for _, q := range ask {
		select {
		case next <- q:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return len(ask) * len(f.nodes), differences, context.Cause(ctx)
}

// compareOne returns the first field of n's answer that is not as in want.
func compareOne(ctx context.Context, f *fleet, n *child, q question, want row) (string, error) {
	var got row
	status, err := f.getJSON(ctx, n, q.ask, &got)
	switch {
	case err != nil:
		return "", fmt.Errorf("node %d: GET %s: %w", n.index, q.path, err)
	case status == http.StatusNotFound || want == nil:
		return strings.TrimPrefix(q.path, "/") + " itself", nil
	case status != http.StatusOK:
		return "", fmt.Errorf("node %d: GET %s: status %d", n.index, q.path, status)
	}
	if field := difference(want, got); field != "" {
		return strings.TrimPrefix(q.path, "/") + "." + field, nil
	}
	return "", nil
}

// difference returns a field in which a node's answer is not equal to the row
// of the database, or "".
func difference(want, got row) string {
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
