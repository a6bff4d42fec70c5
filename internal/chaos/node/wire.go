//go:build unix

package node

import (
	"time"

	"leadcache/internal/chaos/history"
)

// A Config is the first line that a node reads. It does not travel as
// arguments, where other users of the machine could read the secrets.
type Config struct {
	ID          int           `json:"id"` // of this process; no other has it in a run
	RedisURL    string        `json:"redis_url"`
	Prefix      string        `json:"prefix"`
	DatabaseURL string        `json:"database_url"`
	MaxStale    time.Duration `json:"max_stale"`
	Seed        uint64        `json:"seed"`
	Keys        []Key         `json:"keys"`
	Load        Load          `json:"load"`
}

// A Load says how much a node does and how slow its database is.
type Load struct {
	Readers    int           `json:"readers"`
	ReadPause  time.Duration `json:"read_pause"` // on average, after each read
	Writers    int           `json:"writers"`
	WritePause time.Duration `json:"write_pause"`
	SlowLoads  float64       `json:"slow_loads"` // the share of loads that dawdle between the query and their return
	SlowBy     time.Duration `json:"slow_by"`    // at most
	Leads      bool          `json:"leads"`      // ask for leads
}

// A Family says how the value of a key is kept and who invalidates it.
type Family string

// The families of keys.
const (
	Framed  Family = "framed"  // invalidated by key
	Tagged  Family = "tagged"  // invalidated by its tag
	Plain   Family = "plain"   // kept as plain JSON
	Exact   Family = "exact"   // read with a bound of zero only
	Foreign Family = "foreign" // written and deleted by a program without the cache
)

// A Key is one that nodes read, and write unless it is Foreign.
type Key struct {
	Name   string `json:"name"`
	Family Family `json:"family"`
}

// Orders that a node reads on standard input, one to a line. The end of
// standard input ends it.
const (
	Start  = "start"  // begin to read and write
	Quiet  = "quiet"  // stop, and finish what is under way
	Settle = "settle" // wait until Redis is connected and nothing is pending
	Sweep  = "sweep"  // read every key once
)

// A Message is one line of a node's standard output.
type Message struct {
	Ready  bool            `json:"ready,omitempty"`
	Done   string          `json:"done,omitempty"`  // an order that is fulfilled
	Error  string          `json:"error,omitempty"` // why it is not
	Reads  []history.Read  `json:"reads,omitempty"`
	Writes []history.Write `json:"writes,omitempty"` // again, when an acknowledgement comes later
	Leads  []history.Lead  `json:"leads,omitempty"`
	Failed int             `json:"failed,omitempty"` // reads that got an error since the last message
}
