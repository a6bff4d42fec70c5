package proxy

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// feed returns a pipe that receives what is written to the connection.
func feed(t *testing.T, g *gate) (*pipe, net.Conn) {
	t.Helper()
	writer, reader := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	p := newPipe(g)
	var running sync.WaitGroup
	running.Go(func() { p.receive(ctx, reader) })
	t.Cleanup(func() {
		writer.Close()
		reader.Close()
		cancel()
		running.Wait()
	})
	return p, writer
}

// TestDelayIsPipelined: what waits does not hold up what comes behind it.
func TestDelayIsPipelined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const frames, interval, delay = 1000, time.Millisecond, 700 * time.Millisecond
		g := newGate()
		g.delay = delay
		p, conn := feed(t, &g)
		start := time.Now()
		var writing sync.WaitGroup
		writing.Go(func() {
			for i := range uint32(frames) {
				time.Sleep(interval)
				if err := binary.Write(conn, binary.BigEndian, i); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range uint32(frames) {
			c, ok := p.next(t.Context())
			if !ok || len(c.bytes) != 4 {
				t.Fatalf("next = %v, %t, want frame %d", c, ok, i)
			}
			got, took := binary.BigEndian.Uint32(c.bytes), time.Since(start)
			if want := time.Duration(i+1)*interval + delay; got != i || took != want {
				t.Fatalf("frame %d after %v, want frame %d after %v", got, took, i, want)
			}
		}
		writing.Wait()
	})
}

// TestFullPipe: a sender waits when the pipe holds all it can, and goes on when
// it does not.
func TestFullPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		p, conn := feed(t, &g)
		sent := 0
		var writing sync.WaitGroup
		writing.Go(func() {
			for range 2 * maxChunks {
				if _, err := conn.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				sent++
			}
		})
		synctest.Wait()
		// One more is in the hands of receive.
		if want := maxChunks + 1; sent != want {
			t.Errorf("%d chunks sent before anything was taken, want %d", sent, want)
		}
		for i := range 2 * maxChunks {
			if c, ok := p.next(t.Context()); !ok || string(c.bytes) != "x" {
				t.Fatalf("next = %v, %t, want chunk %d", c, ok, i)
			}
		}
		writing.Wait()
	})
}
