package tiered

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestAppendCommand(t *testing.T) {
	got := string(appendCommand([]byte("x"), "GET", "", "ü\r\n"))
	if want := "x*3\r\n$3\r\nGET\r\n$0\r\n\r\n$4\r\nü\r\n\r\n"; got != want {
		t.Errorf("appendCommand = %q, want %q", got, want)
	}
}

func TestParseReply(t *testing.T) {
	text := func(kind byte, s string) reply2 { return reply2{kind: kind, text: []byte(s)} }
	for whole, want := range map[string]reply2{
		"+OK\r\n":                text('+', "OK"),
		"-ERR no\r\n":            text('-', "ERR no"),
		":-12\r\n":               {kind: ':', text: []byte("-12"), number: -12},
		"$-1\r\n":                {kind: '$'},
		"$0\r\n\r\n":             text('$', ""),
		"$4\r\n\r\n\x00a\r\n":    text('$', "\r\n\x00a"),
		"*-1\r\n":                {kind: '*'},
		"*0\r\n":                 {kind: '*', list: []reply2{}},
		"*2\r\n$-1\r\n:7\r\n":    {kind: '*', list: []reply2{{kind: '$'}, {kind: ':', text: []byte("7"), number: 7}}},
		"*2\r\n$1\r\na\r\n+\r\n": {kind: '*', list: []reply2{text('$', "a"), text('+', "")}},
	} {
		for end := range len(whole) {
			if _, size, err := parseReply([]byte(whole[:end])); size != 0 || err != nil {
				t.Errorf("parseReply(%q) takes %d bytes, %v, want none yet", whole[:end], size, err)
			}
		}
		got, size, err := parseReply([]byte(whole + "$1"))
		if !reflect.DeepEqual(got, want) || size != len(whole) || err != nil {
			t.Errorf("parseReply(%q) = %+v, %d, %v, want %+v, %d", whole, got, size, err, want, len(whole))
		}
	}
	for _, bad := range []string{
		"\n", "\r\n", "OK\r\n", "+OK\n", "$\r\n", "$x\r\n", "$-2\r\n", "$1\r\nab\r\n", "$536870913\r\n", ":1.5\r\n", ":\r\n",
		"*-2\r\n", "*1048577\r\n", "*1\r\n*0\r\n", "*1\r\n!\r\n", ">2\r\n", "%1\r\n", "_\r\n", "+" + strings.Repeat("x", maxLine),
	} {
		if r, size, err := parseReply([]byte(bad)); !errors.Is(err, errNotRESP) || size != 0 {
			t.Errorf("parseReply(%.20q) = %+v, %d, %v, want an error", bad, r, size, err)
		}
	}
}

func TestReplyError(t *testing.T) {
	for text, want := range map[string]replyError{
		"WRONGTYPE Operation against a key":                                       "WRONGTYPE",
		"ERR unknown command 'HUSH', with args beginning with: 'secret' ":         "unknown command 'HUSH'",
		"ERR max number of clients reached, and here is the secret":               "ERR",
		"NOPERM this user has no permissions to access one of the keys: 'secret'": "NOPERM",
	} {
		if got := (reply2{kind: '-', text: []byte(text)}).err(); !errors.Is(got, want) {
			t.Errorf("error of %q = %q, want %q", text, got, want)
		}
	}
	if err := (reply2{kind: '$', text: []byte("-ERR")}).err(); err != nil {
		t.Errorf("error of a value = %v", err)
	}
}

// FuzzParseReply: what is parsed is within what came, and does not depend on how
// much more has come.
func FuzzParseReply(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "-ERR\r\n", ":1\r\n", "$-1\r\n", "$2\r\nab\r\n", "*2\r\n$-1\r\n$1\r\na\r\n", "*9\r\n", "$99999\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size, err := parseReply(b)
		if size < 0 || size > len(b) || (err != nil && size != 0) {
			t.Fatalf("parseReply(%q) takes %d bytes, %v", b, size, err)
		}
		if size == 0 {
			return
		}
		again, n, err := parseReply(b[:size])
		if !reflect.DeepEqual(r, again) || n != size || err != nil {
			t.Errorf("parseReply(%q) = %+v, %d, %v, then of the same bytes alone %+v, %d", b, r, size, err, again, n)
		}
		_, _ = r.bytesOrNil()
	})
}
