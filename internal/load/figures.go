//go:build unix

package load

import (
	"time"

	"leadcache/internal/footprint"
)

// Figures are what one of the two runs has shown.
type Figures struct {
	conversations int
	opening       time.Duration // of all connections
	duration      time.Duration // of what was measured
	usage                       // of the server in that time
	spent                       // the same, by part
	ownCPU        time.Duration // of this process in that time

	latencies []time.Duration
	late      []time.Duration
	errors    int
	firstErr  error
	sent      int // texts in all, measured or not
	stored    int // of those, rows in the database

	before, after footprint.Footprint // of the server: no connection, all of them
}

// hear takes down what the customers saw, who are at rest.
func (f *Figures) hear(c *crowd) {
	r := &c.record
	f.conversations, f.sent = len(c.customers), c.sent()
	f.latencies, f.late, f.errors, f.firstErr = r.latencies, r.late, r.errors, r.firstErr
}

// A Result is what both runs have shown.
type Result struct {
	Without, With Figures // the cache
	config        Config
}

// rate returns the texts answered in a second.
func (f Figures) rate() float64 { return float64(len(f.latencies)) / f.duration.Seconds() }

// perText returns x for each text that was answered.
func (f Figures) perText(x float64) float64 { return x / float64(max(1, len(f.latencies))) }

// perConversation returns what has come to x since there was no connection.
func (f Figures) perConversation(x func(footprint.Footprint) uint64) float64 {
	return (float64(x(f.after)) - float64(x(f.before))) / float64(f.conversations)
}

// local returns the share of look-ups that the local tier answered.
func (f Figures) local() float64 { return float64(f.Local) / float64(max(1, f.Gets)) }

// profiled returns how much of the server's processor time the profile has.
func (f Figures) profiled() float64 { return float64(f.total()) / float64(max(1, f.CPU)) }

func rss(f footprint.Footprint) uint64        { return f.RSS }
func heap(f footprint.Footprint) uint64       { return f.Heap }
func stacks(f footprint.Footprint) uint64     { return f.Stacks }
func goroutines(f footprint.Footprint) uint64 { return uint64(f.Goroutines) }
