//go:build unix

package load

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/pprof/profile"
)

// A part is one of the things that a server spends its processor time on.
type part int

// The parts. What a look-up allocates is collected by others: garbage
// collection has a part of its own, as have the goroutines that send and
// receive for all who speak to Redis.
const (
	lookups part = iota
	storing
	sockets
	link
	garbage
	others
	parts
)

// signs are what the function names of each part begin with, without type
// arguments. A look past the local tier, and a write, run on goroutines of
// their own: these do not show who began them, and are known by what is under
// them. A sample is of the first part that any function of its stack has a sign
// of, so the order counts: both a write and a look-up are the work of a socket,
// and either may wait for Redis.
var signs = []struct {
	part  part
	names []string
}{
	{storing, []string{"leadcache/leadsvc.(*Service).AppendMessage", "leadcache/leadsvc.(*write).", "leadcache/leadsvc.start."}},
	{lookups, []string{
		"leadcache/leadsvc.(*Service).OrganizationByPhone", "leadcache/leadsvc.(*Service).loadOrganization",
		"leadcache/leadsvc.(*Service).FindOrCreateLead", "leadcache/leadsvc.(*Service).loadLead",
		"leadcache/tiered.(*Cache).fly", "leadcache/tiered.(*Cache).join",
	}},
	{sockets, []string{"leadcache/cmd/demo/inbound.", "github.com/coder/websocket.", "net/http."}},
	{link, []string{"leadcache/tiered.", "github.com/redis/rueidis."}},
	{garbage, []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
}

// A spent is the processor time in each part, in nanoseconds.
type spent [parts]int64

func (s spent) total() (t int64) {
	for _, ns := range s {
		t += ns
	}
	return t
}

// share returns how much of the whole a part is; 0 of nothing.
func (s spent) share(p part) float64 { return float64(s[p]) / float64(max(1, s.total())) }

// partsOf reads a CPU profile.
func partsOf(data []byte) (s spent, err error) {
	p, err := profile.Parse(bytes.NewReader(data))
	if err != nil {
		return s, fmt.Errorf("profile: %w", err)
	}
	for i, t := range p.SampleType {
		if t.Type == "cpu" && t.Unit == "nanoseconds" {
			for _, sample := range p.Sample {
				s[partOf(sample)] += sample.Value[i]
			}
			return s, nil
		}
	}
	return s, fmt.Errorf("profile: it is none of processor time")
}

func partOf(s *profile.Sample) part {
	for _, sign := range signs {
		for _, name := range sign.names {
			if onStack(s, name) {
				return sign.part
			}
		}
	}
	return others
}

func onStack(s *profile.Sample, name string) bool {
	for _, location := range s.Location {
		for _, line := range location.Line { // several, if functions are inlined
			if line.Function != nil && strings.HasPrefix(bare(line.Function.Name), name) {
				return true
			}
		}
	}
	return false
}

// bare returns the name of a function without type arguments.
func bare(name string) string {
	before, rest, ok := strings.Cut(name, "[")
	if end := strings.LastIndex(rest, "]"); ok && end >= 0 {
		return before + rest[end+1:]
	}
	return name
}
