package tiered

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// A purge tells every node which Redis keys were invalidated. It goes over
// Redis pub/sub and reaches what tracking cannot: entries whose key is not in
// Redis, and all entries where the server refuses tracking.
//
// In front of it is its number, in decimal digits and a space: Redis counts the
// purges of all nodes, so that a receiver notices when one is lost. Then
//
//	0  magic 0xC8
//	1  format version
//	2  id of the node that sent it                                  (16 bytes)
//	18 the keys, each a uvarint length and that many bytes
type purge struct {
	number uint64 // given by Redis
	node   nodeID
	keys   []string
}

// A nodeID is chosen at random by each Dial.
type nodeID [16]byte

const (
	purgeMagic   = 0xC8
	purgeVersion = 1
	purgeHeader  = 18
)

// encode leaves out the number.
func (p purge) encode() []byte {
	n := purgeHeader
	for _, k := range p.keys {
		n += binary.MaxVarintLen32 + len(k)
	}
	b := make([]byte, 0, n)
	b = append(b, purgeMagic, purgeVersion)
	b = append(b, p.node[:]...)
	for _, k := range p.keys {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
	}
	return b
}

var errBadPurge = errors.New("tiered: not a purge")

// decodePurge parses a message from the purge channel, where anyone may write.
func decodePurge(m string) (purge, error) {
	number, m, _ := strings.Cut(m, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return purge{}, errBadPurge
	}
	if len(m) < purgeHeader || m[0] != purgeMagic || m[1] != purgeVersion {
		return purge{}, errBadPurge
	}
	p := purge{number: n, node: nodeID([]byte(m[2:purgeHeader]))}
	for rest := m[purgeHeader:]; rest != ""; {
		size, n := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if n <= 0 || size > uint64(len(rest)-n) {
			return purge{}, errBadPurge
		}
		p.keys = append(p.keys, rest[n:n+int(size)])
		rest = rest[n+int(size):]
	}
	return p, nil
}
