package tiered

import (
	"bytes"
	"strings"
	"time"
)

// A form is how what is kept at a place is written.
type form interface {
	// fits reports whether a value can be kept.
	fits(payload []byte) bool
	encode(f frame) []byte
	// decode parses what read returned. The payload is part of held; that of
	// a foreign frame means nothing here.
	decode(held []byte, left time.Duration) (frame, verdict)
}

// plainForm writes values as the codec made them, which must be JSON, and
// nothing else: programs in other languages read them, and write their own.
// What is no value must not trouble those programs. So a lease, and the mark
// of an absent key, is the JSON null, which means "nothing cached" to them,
// followed by white space that means something to us: two bits in each
// character, of the kind (see frame) and then of the payload. And a value that
// bears a tag ends with a tab, by which the scripts know it for one of ours.
//
// By what kind of program a value was written, and in which life of the server,
// is not known. When it was is guessed from how long it has left. A bare null
// is nothing: the program that wrote it does not say that the source has no
// such row. Nor is a mark that never ends, since ours do.
type plainForm struct {
	ttl, absentTTL time.Duration // of what this node writes
	tagged         bool
}

const (
	jsonNull   = "null"
	whiteSpace = " \t\n\r" // all that JSON allows
	ownMark    = '\t'
)

// A value that is null could not be told from none.
func (p plainForm) fits(payload []byte) bool {
	return len(payload) <= maxPayload && !isNull(payload)
}

func (p plainForm) encode(f frame) []byte {
	if f.kind == kindValue {
		if p.tagged {
			return append(bytes.Clone(f.payload), ownMark)
		}
		return f.payload
	}
	b := make([]byte, 0, len(jsonNull)+4*(1+len(f.payload)))
	b = append(b, jsonNull...)
	b = appendSpace(b, byte(f.kind))
	for _, c := range f.payload {
		b = appendSpace(b, c)
	}
	return b
}

func appendSpace(b []byte, c byte) []byte {
	return append(b, whiteSpace[c>>6], whiteSpace[c>>4&3], whiteSpace[c>>2&3], whiteSpace[c&3])
}

func (p plainForm) decode(held []byte, left time.Duration) (frame, verdict) {
	if !isNull(held) {
		f := frame{kind: kindValue, payload: held, undated: left == forever}
		if p.tagged {
			f.payload = bytes.TrimSuffix(held, []byte{ownMark})
		}
		return f.dated(left, p.ttl), readable
	}
	mark, ok := readSpace(held[len(jsonNull):])
	if !ok || len(mark) == 0 || left == forever {
		return frame{}, unreadable
	}
	f := frame{kind: frameKind(mark[0]), payload: mark[1:]}
	if f.kind == kindValue || !f.sound() {
		return frame{}, unreadable
	}
	return f.dated(left, p.absentTTL), readable
}

// dated returns f as if it had been written to live for ttl and had no more
// than left.
func (f frame) dated(left, ttl time.Duration) frame {
	f.ttl, f.written = ttl, time.Now().Add(min(left, ttl)-ttl)
	return f
}

// isNull reports whether b is the JSON null and perhaps white space.
func isNull(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte(jsonNull))
	return ok && len(bytes.Trim(rest, whiteSpace)) == 0
}

// readSpace reads what appendSpace wrote.
func readSpace(b []byte) ([]byte, bool) {
	if len(b)%4 != 0 {
		return nil, false
	}
	mark := make([]byte, len(b)/4)
	for i, c := range b {
		bits := strings.IndexByte(whiteSpace, c)
		if bits < 0 {
			return nil, false
		}
		mark[i/4] = mark[i/4]<<2 | byte(bits)
	}
	return mark, true
}
