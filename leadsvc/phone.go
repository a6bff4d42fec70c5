package leadsvc

import (
	"strings"
	"unicode/utf8"
)

// maxDigits is the length of the longest phone number there is (E.164).
const maxDigits = 15

// maxPhoneText bounds what is stored as it was given, in bytes. It leaves room
// for a SIP address; what is longer comes from no carrier.
const maxPhoneText = 255

// Phone is a normalized phone number: 1 to 15 digits. Two numbers are the same
// if they are ==. The zero value is none; [ParsePhone] makes all others.
type Phone struct {
	digits [maxDigits]byte // zero beyond n
	n      uint8
}

// ParsePhone drops everything from s that is not an ASCII digit, and puts the
// country code 1 before what is left if that is ten digits long. What is left
// must be 1 to 15 digits, or the error is [ErrInvalidPhone]: short codes are
// numbers, "anonymous" is not. Nor is what Postgres cannot keep as it was given,
// text with a NUL or with invalid UTF-8, or text of more than 255 bytes. The
// error does not repeat s.
func ParsePhone(s string) (Phone, error) {
	var p Phone
	if len(s) > maxPhoneText || strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return p, ErrInvalidPhone
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || '9' < c {
			continue
		}
		if p.n == maxDigits {
			return Phone{}, ErrInvalidPhone
		}
		p.digits[p.n] = c
		p.n++
	}
	switch p.n {
	case 0:
		return Phone{}, ErrInvalidPhone
	case 10:
		copy(p.digits[1:], p.digits[:10])
		p.digits[0] = '1'
		p.n = 11
	}
	return p, nil
}

// is reports whether s is the number's digits.
func (p Phone) is(s string) bool { return string(p.digits[:p.n]) == s }

// String returns the digits, such as 17786528784.
func (p Phone) String() string { return string(p.digits[:p.n]) }
