package tiered

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"reflect"
	"sync/atomic"
	"time"
)

// A frame is what a key holds in Redis. All numbers are big-endian:
//
//	 0  magic 0xC7
//	 1  format version
//	 2  kind: value, absent or lease
//	 3  life of the Redis server that it was written to     (8 bytes)
//	11  fingerprint of the value's Go type                  (8 bytes)
//	19  when its load began, Unix milliseconds              (8 bytes)
//	27  time to live from then on, milliseconds             (8 bytes)
//	35  value: what the codec made; absent: nothing; lease: the node, and a number of its own (8 bytes)
//
// The kind is a byte of its own, so no value can be mistaken for a marker.
// Whatever does not parse, or has another life, is a miss and is replaced: a
// value of another life may have been deleted before Redis was restored from a
// snapshot or replaced by a replica. A frame of another fingerprint is a miss
// too; when it is replaced, see foreignAge.
type frame struct {
	kind    frameKind
	written time.Time
	ttl     time.Duration
	payload []byte
	undated bool // written is a guess, and may be far too late
}

type frameKind byte

const (
	kindValue  frameKind = 1
	kindAbsent frameKind = 2
	kindLease  frameKind = 3
)

// foreignAge is how old a foreign frame must be to be replaced. During a
// rolling deploy two generations of a program share the keys: were each to
// replace what the other has just written, nothing would be cached at all.
const foreignAge = 10 * time.Second

const (
	frameMagic   = 0xC7
	frameVersion = 1
	frameHeader  = 35
	leaseToken   = len(nodeID{}) + 8
)

// framer writes and reads the frames of one cache in one life of the server.
type framer struct {
	life        uint64
	fingerprint uint64
}

// fits implements form.
func (fr framer) fits(payload []byte) bool { return len(payload) <= maxPayload }

// encode implements form.
func (fr framer) encode(f frame) []byte {
	b := make([]byte, frameHeader, frameHeader+len(f.payload))
	b[0], b[1], b[2] = frameMagic, frameVersion, byte(f.kind)
	binary.BigEndian.PutUint64(b[3:], fr.life)
	binary.BigEndian.PutUint64(b[11:], fr.fingerprint)
	binary.BigEndian.PutUint64(b[19:], uint64(f.written.UnixMilli()))
	binary.BigEndian.PutUint64(b[27:], uint64(f.ttl.Milliseconds()))
	return append(b, f.payload...)
}

// newLease returns a lease of a node that no other call returns, in any process:
// the id of a node is random.
func newLease(node nodeID, now time.Time, ttl time.Duration) frame {
	token := append(make([]byte, 0, leaseToken), node[:]...)
	return frame{kind: kindLease, written: now, ttl: ttl, payload: binary.BigEndian.AppendUint64(token, newLeases.Add(1))}
}

// newLeases counts the leases of this process.
var newLeases atomic.Uint64

// A verdict says what decode made of some bytes.
type verdict int

const (
	unreadable verdict = iota // not a frame, or one of a former life
	foreign                   // the frame of a program with another idea of the type
	readable
)

// decode implements form. The frame itself says how long it lives.
func (fr framer) decode(b []byte, _ time.Duration) (frame, verdict) {
	if len(b) < frameHeader || b[0] != frameMagic || b[1] != frameVersion || binary.BigEndian.Uint64(b[3:]) != fr.life && !broken("life") {
		return frame{}, unreadable
	}
	ttl := binary.BigEndian.Uint64(b[27:])
	f := frame{
		kind:    frameKind(b[2]),
		written: time.UnixMilli(int64(binary.BigEndian.Uint64(b[19:]))),
		ttl:     time.Duration(ttl) * time.Millisecond,
		payload: b[frameHeader:],
	}
	switch {
	case ttl > uint64(forever.Milliseconds()) || !f.sound():
		return frame{}, unreadable
	case binary.BigEndian.Uint64(b[11:]) != fr.fingerprint:
		return f, foreign
	default:
		return f, readable
	}
}

// sound reports whether the payload is one that the kind may have.
func (f frame) sound() bool {
	switch f.kind {
	case kindValue:
		return true
	case kindAbsent:
		return len(f.payload) == 0
	case kindLease:
		return len(f.payload) == leaseToken
	default:
		return false
	}
}

// leaseOf reports whether f is a fill lease of that node.
func (f frame) leaseOf(node nodeID) bool {
	return f.kind == kindLease && bytes.HasPrefix(f.payload, node[:])
}

// writtenAfter reports whether f is known to have been written after a time in
// Unix milliseconds; 0: any is.
func (f frame) writtenAfter(ms int64) bool {
	return ms == 0 || !f.undated && f.written.UnixMilli() > ms
}

// left returns what remains of the frame's time to live at now. The writer's
// clock and ours may differ, so it is never more than the whole of it; Redis
// itself ends the frame by its own clock whatever ours say.
func (f frame) left(now time.Time) time.Duration {
	return min(f.ttl-now.Sub(f.written), f.ttl)
}

// fingerprintOf hashes the shape of t: kinds, and the names, types and tags of
// struct fields, however deep. Two programs whose types differ in shape do not
// read each other's values.
func fingerprintOf(t reflect.Type) uint64 {
	h := fnv.New64a()
	seen := make(map[reflect.Type]int)
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		if n, ok := seen[t]; ok {
			fmt.Fprintf(h, "^%d ", n) // it contains itself, or came before
			return
		}
		seen[t] = len(seen)
		fmt.Fprintf(h, "%s{", t.Kind())
		switch t.Kind() {
		case reflect.Struct:
			for f := range t.Fields() {
				fmt.Fprintf(h, "%q %q ", f.Name, f.Tag)
				walk(f.Type)
			}
		case reflect.Map:
			walk(t.Key())
			walk(t.Elem())
		case reflect.Array:
			fmt.Fprintf(h, "%d ", t.Len())
			walk(t.Elem())
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		}
		fmt.Fprint(h, "}")
	}
	walk(t)
	return h.Sum64()
}
