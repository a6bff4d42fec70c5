//go:build unix

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"leadcache/cmd/demo/inbound"
)

// answerTime is more than the server takes to answer that it cannot.
const answerTime = 15 * time.Second

// A customer writes to one organization, over a connection of its own.
type customer struct {
	from, to string
	conn     *websocket.Conn
	sent     int
	lead     string // that the first answer named
}

func newCustomer(i int) *customer {
	return &customer{from: customerNumber(i), to: organizationNumber(i)}
}

// open connects and sends the first text.
func (c *customer) open(ctx context.Context, url string) (err error) {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if c.conn, _, err = websocket.Dial(limited, url, nil); err != nil {
		return err
	}
	return c.exchange(ctx)
}

// close breaks the connection off.
func (c *customer) close() {
	if c.conn != nil {
		_ = c.conn.CloseNow() // the server may have gone
	}
}

var (
	errWrongAnswer = errors.New("an answer to another text")
	errOtherLead   = errors.New("an answer about another lead")
)

// exchange sends a text and reads its answer.
func (c *customer) exchange(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	c.sent++
	text := inbound.Text{
		ID: fmt.Sprintf("%s-%d", c.from, c.sent), From: c.from, To: c.to,
		Body: fmt.Sprintf("Hello, this is my text number %d. When can I fetch my bicycle?", c.sent),
	}
	data, err := json.Marshal(text)
	if err != nil {
		return err
	}
	if err := c.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return err
	}
	_, data, err = c.conn.Read(ctx)
	if err != nil {
		return err
	}
	var a inbound.Answer
	if err := json.Unmarshal(data, &a); err != nil {
		return err
	}
	return c.check(text, a)
}

// check says what is wrong with the answer to text.
func (c *customer) check(text inbound.Text, a inbound.Answer) error {
	switch {
	case a.Error != "":
		return errors.New(a.Error)
	case a.ID != text.ID:
		return errWrongAnswer
	case a.LeadID == "", c.lead != "" && a.LeadID != c.lead:
		return errOtherLead
	}
	c.lead = a.LeadID
	return nil
}

// write sends texts at fixed times until stop is closed, and returns when the
// last is answered, or one is not: what the connection says next is then
// unknown.
func (c *customer) write(ctx context.Context, stop <-chan struct{}, first time.Time, every time.Duration, r *record) {
	var answered time.Time
	for due := first; wait(ctx, stop, due); due = due.Add(every) {
		began := time.Now()
		free := due // when the customer had nothing to wait for
		if answered.After(due) {
			free = answered
		}
		err := c.exchange(ctx)
		answered = time.Now()
		if err != nil {
			r.failed(err)
			return
		}
		r.answered(answered.Sub(due), began.Sub(free))
	}
}

// wait returns true when the time has come, and false when stop is closed or
// ctx ends before.
func wait(ctx context.Context, stop <-chan struct{}, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-stop:
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
