package leadsvc

import "unicode/utf8"

// maxDigits is the length of the longest phone number there is (E.164).
const maxDigits = 15

// maxPhoneText bounds what is stored as it was given, in bytes. It leaves room
// for a SIP address; what is longer comes from no carrier.
const maxPhoneText = 255

// Phone is a normalized phone number: 1 to 15 digits. Two numbers are the same
// if they are ==. The zero value is none; [ParsePhone] makes all others.
type Phone struct {
	// packed has the digits, four bits each, and below them how many there are:
	// maxDigits fit exactly. In an array they would go to memory and back on
	// each look-up.
	packed uint64
}

// ParsePhone drops everything from s that is not an ASCII digit, and puts the
// country code 1 before what is left if that is ten digits long. What is left
// must be 1 to 15 digits, or the error is [ErrInvalidPhone]: short codes are
// numbers, "anonymous" is not. Nor is what Postgres cannot keep as it was given,
// text with a NUL or with invalid UTF-8, or text of more than 255 bytes. The
// error does not repeat s.
func ParsePhone(s string) (Phone, error) {
	if len(s) > maxPhoneText {
		return Phone{}, ErrInvalidPhone
	}
	var (
		digits uint64
		n      int
		rest   byte // the bits of all that is dropped
	)
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits = digits<<4 | uint64(c-'0')
			n++
		case c == 0:
			return Phone{}, ErrInvalidPhone
		default:
			rest |= c
		}
	}
	if n < 1 || n > maxDigits || rest >= utf8.RuneSelf && !utf8.ValidString(s) {
		return Phone{}, ErrInvalidPhone
	}
	if n == 10 {
		digits |= 1 << (4 * n)
		n++
	}
	return Phone{digits<<4 | uint64(n)}, nil
}

// len returns how many digits there are.
func (p Phone) len() int { return int(p.packed & 0xf) }

// is reports whether s is the number's digits.
func (p Phone) is(s string) bool {
	if len(s) != p.len() {
		return false
	}
	digits := p.packed
	for i := len(s) - 1; i >= 0; i-- {
		digits >>= 4
		if s[i] != '0'+byte(digits&0xf) {
			return false
		}
	}
	return true
}

// String returns the digits, such as 17786528784.
func (p Phone) String() string {
	var b [maxDigits]byte
	digits := p.packed
	for i := p.len() - 1; i >= 0; i-- {
		digits >>= 4
		b[i] = '0' + byte(digits&0xf)
	}
	return string(b[:p.len()])
}
