package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const updateEvery = 150 * time.Millisecond

// A patched is what PATCH /leads/{id} answers: the part of it that matters here.
type patched struct {
	CustomerName string `json:"customer_name"`
	AckedAt      int64  `json:"acked_at"` // wall clock in nanoseconds, when UpdateLead returned
}

// updates changes something on one node, several times a second, while all
// other nodes watch for it: mostly the name of a known lead, one time in four
// the creation of a lead that the others hold as absent.
func (t *traffic) updates(ctx context.Context) {
	for n := 0; t.pause(updateEvery); n++ {
		writer := t.fleet.nodes[n%len(t.fleet.nodes)]
		if n%4 == 3 {
			t.newLead(ctx, writer)
		} else if lead, ok := t.ledger.popular(); ok {
			t.rename(ctx, writer, lead, fmt.Sprintf("Customer %05d", n))
		}
	}
}

// rename changes the name of a lead on one node. From then on that node must
// use it in all that it says: it takes a phone call at once.
func (t *traffic) rename(ctx context.Context, writer *child, lead knownLead, name string) {
	path := leadPath("/watch", lead.customer, url.Values{"name": {name}})
	t.observe(ctx, writer, path, &t.ledger.updated, func() (ackedAt int64, ok bool) {
		ackedAt, ok = t.setName(ctx, writer, lead.id, name)
		if !ok {
			return 0, false
		}
		b, ok := t.phone(ctx, writer, lead.customer, t.ledger.organization(lead.organization))
		t.ledger.update(func(u *updateCount) {
			u.Updates++
			if ok && b.outdated(name) != "" {
				u.OldNames++
			}
		})
		return ackedAt, true
	})
}

func (t *traffic) setName(ctx context.Context, writer *child, lead, name string) (ackedAt int64, ok bool) {
	var answered patched
	err := t.ledger.timed(leadUpdate, func() error {
		status, err := t.fleet.do(ctx, http.MethodPatch, writer, "/leads/"+url.PathEscape(lead),
			map[string]string{"customer_name": name}, &answered)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		if err == nil && answered.CustomerName != name {
			err = errors.New("answered another name")
		}
		return err
	})
	if err != nil {
		t.failed(ctx, string(leadUpdate), err)
	}
	return answered.AckedAt, err == nil
}

func (t *traffic) newLead(ctx context.Context, writer *child) {
	from, to := t.stranger()
	line, err := t.dial(ctx, writer)
	if err != nil {
		t.failed(ctx, "connect", err)
		return
	}
	defer line.close()
	t.observe(ctx, writer, leadPath("/watch", from, nil), &t.ledger.created, func() (int64, bool) {
		a, ok := t.text(ctx, line, from, to)
		if ok {
			t.ledger.update(func(u *updateCount) { u.NewLeads++ })
		}
		return a.AckedAt, ok
	})
}

// observe lets every node but the writer watch, then writes, and records how
// long after the acknowledgement each of them saw it.
func (t *traffic) observe(
	ctx context.Context, writer *child, path string, record *sightings, write func() (ackedAt int64, ok bool),
) {
	limited, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	var watches []*watch
	for _, n := range t.fleet.nodes {
		if n == writer {
			continue
		}
		w, err := t.fleet.watch(limited, n, path)
		if err != nil {
			t.failed(ctx, "watch", err)
			return
		}
		defer w.body.Close()
		watches = append(watches, w)
	}
	ackedAt, ok := write()
	if !ok {
		return
	}
	for _, w := range watches {
		seen, err := w.wait()
		if ctx.Err() != nil {
			return
		}
		t.ledger.update(func(u *updateCount) {
			u.Sightings++
			if !w.cached {
				u.NotCached++
			}
			if err != nil {
				u.Missed++
			}
		})
		if err == nil {
			// Below zero: the other node saw it before the writer's call had
			// returned.
			record.old.add(max(0, time.Duration(seen.OldAt-ackedAt)))
			record.stale.add(max(0, time.Duration(seen.AskedAt-ackedAt)))
			record.visible.add(max(0, time.Duration(seen.SeenAt-ackedAt)))
		}
	}
}

// A watch is a node that reads one lead over and over until it sees a change.
type watch struct {
	cached bool // it began with the lead in the node's local tier
	lines  *json.Decoder
	body   io.Closer
}

// watch returns when the node has begun to watch. The caller must close it.
func (f *fleet) watch(ctx context.Context, n *child, path string) (*watch, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url(path), nil)
	if err != nil {
		return nil, bare(err)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, bare(err)
	}
	w := &watch{lines: json.NewDecoder(response.Body), body: response.Body}
	var e watchEvent
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	} else if err = w.lines.Decode(&e); err == nil && e.Event != watchBegun {
		err = errors.New("did not begin")
	}
	if err != nil {
		w.body.Close()
		return nil, err
	}
	w.cached = e.Source == "local"
	return w, nil
}

// wait returns when the node saw the change.
func (w *watch) wait() (watchEvent, error) {
	var e watchEvent
	if err := w.lines.Decode(&e); err != nil {
		return e, err
	}
	if e.Event != watchSeen {
		return e, errors.New("not seen in time")
	}
	// Read to the end, so that the connection is used again.
	_ = w.lines.Decode(new(watchEvent))
	return e, nil
}
