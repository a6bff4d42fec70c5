//go:build unix

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxReply bounds the bytes or elements of a reply; tests ask for far less.
const maxReply = 64 << 20

// redisCall sends one command over a connection of its own and returns the
// reply as text.
func redisCall(ctx context.Context, addr, password string, args ...string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := bufio.NewReader(conn)
	if password != "" {
		if _, err := exchange(conn, r, "AUTH", password); err != nil {
			return "", err
		}
	}
	return exchange(conn, r, args...)
}

// exchange writes a command in RESP2 and reads its reply.
func exchange(w io.Writer, r *bufio.Reader, args ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return "", err
	}
	return readReply(r)
}

// readReply renders a reply as text: null as nothing, the elements of an array
// one to a line. An error inside an array is text like the rest.
func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("empty reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", redisError(rest)
	}
	n, err := strconv.Atoi(rest)
	switch {
	case err != nil || (kind != '$' && kind != '*'):
		return "", fmt.Errorf("reply of unknown kind %q", kind)
	case n < 0:
		return "", nil
	case n > maxReply:
		return "", fmt.Errorf("reply of length %d", n)
	case kind == '$':
		text := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(r, text); err != nil {
			return "", err
		}
		return string(text[:n]), nil
	}
	var elements []string
	for range n {
		element, err := readReply(r)
		if refused, ok := errors.AsType[redisError](err); ok {
			element = string(refused)
		} else if err != nil {
			return "", err
		}
		elements = append(elements, element)
	}
	return strings.Join(elements, "\n"), nil
}

// redisError is a reply with which Redis refuses a command.
type redisError string

func (e redisError) Error() string { return string(e) }
