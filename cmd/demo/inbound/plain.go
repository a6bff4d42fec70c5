package inbound

import (
	"strings"
	"unicode"
)

// maxName bounds the names that are spoken and sent, in characters.
const maxName = 200

// plainName returns a name as it may stand in a sentence.
func plainName(s string) string { return cut(plain(s), maxName) }

// plain returns what people wrote as one line of what can be seen, so that
// nobody can write what looks like the words of another: runs of spaces and
// line breaks become one space, control and format characters are left out.
// The joiners stay, which emoji and some scripts need.
func plain(s string) string {
	visible := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u200c', r == '\u200d':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		default:
			return r
		}
	}, s)
	return strings.Join(strings.Fields(visible), " ")
}

// cut returns at most limit characters of s, the last of them an ellipsis if
// there were more.
func cut(s string, limit int) string {
	n, end := 0, 0
	for i := range s {
		if n == limit-1 {
			end = i
		}
		if n == limit {
			return s[:end] + "…"
		}
		n++
	}
	return s
}
