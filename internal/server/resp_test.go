//go:build unix

package server

import (
	"bufio"
	"strings"
	"testing"
)

func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n", "-ERR no\r\n", ":1\r\n", "$3\r\na\r\n\r\n", "$-1\r\n", "*2\r\n:1\r\n*-1\r\n",
		"", "\r\n", "$5\r\nab", "$99999999999999999999\r\n", "*999999999\r\n", "%1\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		got, err := readReply(bufio.NewReader(strings.NewReader(reply)))
		if err != nil && got != "" {
			t.Errorf("readReply(%q) = %q and %v, want one of them", reply, got, err)
		}
	})
}
