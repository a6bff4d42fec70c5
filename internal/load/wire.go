//go:build unix

package load

import (
	"time"

	"leadcache/internal/footprint"
)

// serverConfig is the first line that a server process reads.
type serverConfig struct {
	DatabaseURL   string
	RedisURL      string
	Cached        bool
	Conversations int
}

// An order is what it is told on each line after that.
type order string

const (
	takeFootprint order = "footprint" // answered with Footprint
	begin         order = "begin"     // a profile; answered with Usage
	end           order = "end"       // answered with Usage and Profile
	heapProfile   order = "heap"      // answered with Profile
)

// A reply is a line of the server's: the first says where it listens, each of
// the others answers an order.
type reply struct {
	Error     string              `json:",omitempty"`
	Addr      string              `json:",omitempty"`
	Footprint footprint.Footprint `json:",omitzero"`
	Usage     usage               `json:",omitzero"`
	Profile   []byte              `json:",omitempty"` // of pprof's format
}

// usage is what a server has used, and its caches have done, since it started.
type usage struct {
	CPU     time.Duration
	Queries uint64
	Gets    uint64
	Local   uint64 // of the gets: local hits
	Redis   uint64 // of the gets: Redis hits
	Loads   uint64
}

func (u usage) since(o usage) usage {
	return usage{
		u.CPU - o.CPU, u.Queries - o.Queries,
		u.Gets - o.Gets, u.Local - o.Local, u.Redis - o.Redis, u.Loads - o.Loads,
	}
}
