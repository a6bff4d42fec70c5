package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, test := range []struct {
		name  string
		start func(*gate)
		after func(*gate) // one second later
		want  time.Duration
	}{
		{"lets pass", nil, nil, 0},
		{"delays", func(g *gate) { g.delay = 3 * second }, nil, 3 * second},
		{"a negative delay is none", func(g *gate) { g.delay = -second }, nil, 0},
		{
			"a longer delay is for what waits already",
			func(g *gate) { g.delay = 3 * second }, func(g *gate) { g.delay = 5 * second }, 5 * second,
		},
		{
			"so is a shorter one",
			func(g *gate) { g.delay = 3 * second }, func(g *gate) { g.delay = 0 }, second,
		},
		{
			"a frozen one waits for the thaw",
			func(g *gate) { g.frozen = true }, func(g *gate) { g.frozen = false }, second,
		},
		{
			"a delay goes on while it is frozen",
			func(g *gate) { g.frozen, g.delay = true, 3*second }, func(g *gate) { g.frozen = false }, 3 * second,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				if test.start != nil {
					g.set(func() { test.start(&g) })
				}
				if test.after != nil {
					time.AfterFunc(second, func() { g.set(func() { test.after(&g) }) })
				}
				read := time.Now()
				passed := g.pass(t.Context(), read)
				if took := time.Since(read); !passed || took != test.want {
					t.Errorf("pass = %t after %v, want true after %v", passed, took, test.want)
				}
			})
		})
	}
}

func TestGateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g.frozen = true
		if g.pass(ctx, time.Now()) {
			t.Error("a frozen gate lets pass")
		}
		g.frozen = false
		if g.pass(ctx, time.Now()) {
			t.Error("an open gate lets pass after the end")
		}
	})
}
