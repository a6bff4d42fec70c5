package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coder/websocket"
)

// A conversation is one WebSocket connection to a node.
type conversation struct {
	*traffic
	conn *websocket.Conn
}

func (t *traffic) dial(ctx context.Context, n *child) (conversation, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+n.addr+"/ws/sms", nil)
	return conversation{t, conn}, err
}

func (c conversation) close() { c.conn.Close(websocket.StatusNormalClosure, "") }

// send sends one message and returns the answer. It reports whether that was a
// good one, so that the conversation can go on.
func (c conversation) send(ctx context.Context, from customer, to organization) (answer, bool) {
	m := inbound{
		ID:   fmt.Sprintf("m%d", c.ids.Add(1)),
		From: written(from.phone),
		To:   to.dialled(),
		Body: "Is the blue one still in stock?",
	}
	a, ok := c.deliver(ctx, from, m)
	if ok && rand.N(50) == 0 {
		// Carriers deliver a message again when they are not sure.
		_, ok = c.deliver(ctx, from, m)
	}
	return a, ok
}

func (c conversation) deliver(ctx context.Context, from customer, m inbound) (answer, bool) {
	c.ledger.sending(from, m)
	limited, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	started := time.Now()
	a, err := c.exchange(limited, m)
	if err != nil {
		c.failed(ctx, "message", err)
		return answer{}, false
	}
	c.ledger.answered(from, m, a, time.Since(started))
	return a, a.Error == ""
}

func (c conversation) exchange(ctx context.Context, m inbound) (answer, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return answer{}, err
	}
	if err := c.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return answer{}, err
	}
	_, data, err = c.conn.Read(ctx)
	if err != nil {
		return answer{}, err
	}
	var a answer
	return a, json.Unmarshal(data, &a)
}

// written returns a normalized phone in one of the ways in which carriers and
// people write it. All of them mean the same lead.
func written(phone string) string {
	area, exchange, line := phone[1:4], phone[4:7], phone[7:]
	switch rand.N(4) {
	case 0:
		return "+" + phone
	case 1:
		return phone
	case 2:
		return fmt.Sprintf("(%s) %s-%s", area, exchange, line)
	default:
		return fmt.Sprintf("%s.%s.%s", area, exchange, line)
	}
}
