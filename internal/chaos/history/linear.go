package history

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// orderTime bounds the search for an order of one key's operations. Arbitrary;
// a history of some hundred operations takes milliseconds.
const orderTime = 20 * time.Second

// register is a key as one who allows no staleness should see it: a number that
// each write raises by one, and each read returns.
var register = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		switch before := state.(int64); input.(access) {
		case bump:
			return output.(int64) == before+1, before + 1
		case lookAbsent:
			return Absent(before), before
		default:
			return output.(int64) == before, before
		}
	},
}

type access int

const (
	look access = iota
	lookAbsent
	bump
)

// checkOrder looks for an order of the writes and of the reads with a bound of
// zero, in which each happened at one moment between its start and its end.
// Keys that nobody read so are left out.
func (r *Report) checkOrder(h *History) {
	operations := make(map[string][]porcupine.Operation)
	for _, read := range h.Reads {
		if read.Bound != 0 {
			continue
		}
		input := look
		if read.Version == 0 {
			input = lookAbsent
		}
		operations[read.Key] = append(operations[read.Key],
			porcupine.Operation{Input: input, Output: read.Version, Call: int64(read.Start), Return: int64(read.End)})
	}
	writes := make(map[string]map[int64]Write)
	for _, w := range h.Writes {
		if writes[w.Key] == nil {
			writes[w.Key] = make(map[int64]Write)
		}
		writes[w.Key][w.Version] = w
	}
	for _, key := range slices.Sorted(maps.Keys(operations)) {
		ops := append(operations[key], bumps(writes[key], h.Final[key])...)
		switch porcupine.CheckOperationsTimeout(register, ops, orderTime) {
		case porcupine.Illegal:
			r.Violations = append(r.Violations, Violation{Kind: NotAtomic, Key: key})
		case porcupine.Unknown:
			r.Violations = append(r.Violations, Violation{Kind: NoVerdict, Key: key})
		}
	}
}

// bumps returns an operation for each version of a key. What is not known of a
// write whose node died is when it happened.
func bumps(known map[int64]Write, final int64) []porcupine.Operation {
	ops := make([]porcupine.Operation, 0, final)
	for version := int64(1); version <= final; version++ {
		op := porcupine.Operation{Input: bump, Output: version, Return: math.MaxInt64}
		if w, ok := known[version]; ok {
			op.Call, op.Return = int64(w.Start), int64(w.Committed)
		}
		ops = append(ops, op)
	}
	return ops
}
