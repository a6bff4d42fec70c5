package tiered

import (
	"sync/atomic"
	"unsafe"
)

// A counter counts what goroutines do on many processors at once. It is striped:
// were there one number, all of them would wait for its cache line at each hit.
// The zero value is ready to use.
type counter struct {
	stripes [32]struct {
		n atomic.Uint64
		_ [56]byte // the rest of a cache line
	}
}

// add adds one. Which stripe it takes is told from where the goroutine has its
// stack, as nothing else is that cheap to know: of two goroutines it is seldom
// the same one, and it matters not if it is, or if a stack has moved.
func (c *counter) add() {
	var here byte
	stack := uint64(uintptr(unsafe.Pointer(&here))) >> 11 // the least size of one
	c.stripes[stack*0x9E3779B97F4A7C15>>59].n.Add(1)      // Fibonacci hashing, to 32
}

func (c *counter) sum() (n uint64) {
	for i := range c.stripes {
		n += c.stripes[i].n.Load()
	}
	return n
}
