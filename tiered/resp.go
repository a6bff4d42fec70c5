package tiered

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// A readConn speaks RESP2 itself: commands, and the replies to those that it sends.

// appendCommand appends a command to b.
func appendCommand(b []byte, words ...string) []byte {
	b = appendHead(b, '*', len(words))
	for _, w := range words {
		b = appendHead(b, '$', len(w))
		b = append(append(b, w...), crlf...)
	}
	return b
}

func appendHead(b []byte, kind byte, n int) []byte {
	b = strconv.AppendInt(append(b, kind), int64(n), 10)
	return append(b, crlf...)
}

const crlf = "\r\n"

// A reply2 is a reply in RESP2. What it holds are parts of what it was parsed from.
type reply2 struct {
	kind   byte     // what it begins with: one of +-:$*
	text   []byte   // of all but a list; nil if there is no such key
	number int64    // for :
	list   []reply2 // for *, and no further lists in it; nil if there is none
}

var errNotRESP = errors.New("what came is no reply in RESP2")

const (
	maxBulk = 512 << 20 // bytes of a value, as by default in Redis
	maxList = 1 << 20   // more than anything here asks for
	maxLine = 64 << 10  // bytes of an error, which may quote a command
)

// parseReply returns the reply that b begins with, and its size in bytes: 0 if b
// does not hold all of it.
func parseReply(b []byte) (reply2, int, error) {
	r, size, err := parseItem(b)
	if err != nil || size == 0 || r.kind != '*' {
		return r, size, err
	}
	n, r := r.number, reply2{kind: '*'}
	switch {
	case n == -1:
		return r, size, nil
	case n < 0 || n > maxList:
		return reply2{}, 0, errNotRESP
	}
	r.list = make([]reply2, 0, min(int(n), len(b)/len("$-1\r\n")))
	for range n {
		item, s, err := parseItem(b[size:])
		if err == nil && item.kind == '*' {
			err = errNotRESP
		}
		if err != nil || s == 0 {
			return reply2{}, 0, err
		}
		r.list = append(r.list, item)
		size += s
	}
	return r, size, nil
}

// parseItem is parseReply, but of a list it parses the head only, and returns how
// many items that announces.
func parseItem(b []byte) (r reply2, size int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if end < 0 {
		if len(b) >= maxLine {
			err = errNotRESP
		}
		return reply2{}, 0, err
	}
	if end < 2 || b[end-1] != '\r' {
		return reply2{}, 0, errNotRESP
	}
	r, size = reply2{kind: b[0], text: b[1 : end-1]}, end+1
	switch r.kind {
	case '+', '-':
		return r, size, nil
	case ':', '$', '*':
		if r.number, err = strconv.ParseInt(string(r.text), 10, 64); err != nil {
			return reply2{}, 0, errNotRESP
		}
	default:
		return reply2{}, 0, errNotRESP
	}
	if r.kind != '$' {
		return r, size, nil
	}
	n := r.number
	r.number, r.text = 0, nil
	switch {
	case n == -1:
		return r, size, nil
	case n < 0 || n > maxBulk:
		return reply2{}, 0, errNotRESP
	case len(b)-size < int(n)+len(crlf):
		return reply2{}, 0, nil
	}
	r.text = b[size : size+int(n) : size+int(n)]
	size += int(n)
	if string(b[size:size+len(crlf)]) != crlf {
		return reply2{}, 0, errNotRESP
	}
	return r, size + len(crlf), nil
}

// err returns the error that r is, if it is one.
func (r reply2) err() error {
	if r.kind != '-' {
		return nil
	}
	return refusal(strings.TrimPrefix(string(r.text), "ERR "))
}

// bytesOrNil returns the bytes of a value, or nil if there is no such key.
func (r reply2) bytesOrNil() ([]byte, error) {
	if err := r.err(); err != nil {
		return nil, err
	}
	if r.kind != '$' {
		return nil, errReply
	}
	return r.text, nil
}
