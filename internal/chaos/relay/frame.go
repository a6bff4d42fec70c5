package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// A frame is one reply or push of RESP2 or RESP3: its type, and the texts of
// the first of its elements that are texts.
type frame struct {
	kind byte
	head []string
}

// headTexts is enough to tell a message: its kind and its channel.
const headTexts = 2

// isMessageOn reports whether f is what was published on a channel.
func (f frame) isMessageOn(channel string) bool {
	return (f.kind == '*' || f.kind == '>') && len(f.head) == headTexts && f.head[0] == "message" && f.head[1] == channel
}

var errFrame = errors.New("relay: not RESP")

// readFrame reads one frame, appends its bytes to raw, and returns what it is.
func readFrame(in *bufio.Reader, raw *bytes.Buffer) (frame, error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return frame{}, err
	}
	raw.Write(line)
	if len(line) < 3 {
		return frame{}, errFrame
	}
	f := frame{kind: line[0]}
	switch f.kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return f, nil
	case '$', '=', '!':
		return f, f.readText(line, in, raw)
	case '*', '>', '~', '%', '|':
		return f, f.readElements(line, in, raw)
	default:
		return f, errFrame
	}
}

func (f *frame) readText(line []byte, in *bufio.Reader, raw *bytes.Buffer) error {
	n, err := size(line)
	if err != nil || n < 0 {
		return err
	}
	if _, err := io.CopyN(raw, in, int64(n)+2); err != nil {
		return err
	}
	f.head = []string{string(raw.Bytes()[raw.Len()-n-2 : raw.Len()-2])}
	return nil
}

func (f *frame) readElements(line []byte, in *bufio.Reader, raw *bytes.Buffer) error {
	n, err := size(line)
	if err != nil {
		return err
	}
	switch f.kind {
	case '%':
		n *= 2
	case '|':
		n = 2*n + 1 // attributes, and then what they are about
	}
	for range max(n, 0) {
		element, err := readFrame(in, raw)
		if err != nil {
			return err
		}
		if element.kind == '$' && len(f.head) < headTexts {
			f.head = append(f.head, element.head...)
		}
	}
	return nil
}

// size returns the number in a frame's first line; negative means null.
func size(line []byte) (int, error) {
	n, err := strconv.Atoi(string(bytes.TrimRight(line[1:], "\r\n")))
	if err != nil {
		return 0, errFrame
	}
	return n, nil
}
