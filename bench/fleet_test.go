package bench

import (
	"testing"
	"time"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// A fleet is several nodes, each with a link of its own to one Redis, and one
// source.
type fleet struct {
	source
	nodes []*tiered.Cache[string, pg.Lead]
}

// newFleet returns a fleet of nodes with room for so many entries each.
func newFleet(b *testing.B, nodes, entries int) *fleet {
	b.Helper()
	f := new(fleet)
	prefix := servertest.Prefix(b, servertest.RedisURL(b))
	for range nodes {
		f.nodes = append(f.nodes, node(b, prefix, f.load, tiered.Options{
			TTL:          time.Hour,
			LocalEntries: entries,
			WaitForFill:  time.Minute, // a node that is slow to fill, on a busy machine, is no node that has died
		}))
	}
	return f
}

// stats returns what the nodes have done.
func (f *fleet) stats() []tiered.Stats {
	stats := make([]tiered.Stats, len(f.nodes))
	for i, n := range f.nodes {
		stats[i] = n.Stats()
	}
	return stats
}
