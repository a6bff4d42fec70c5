package prefetch_test

import (
	"testing"
	"unsafe"

	"leadcache/tiered/internal/prefetch"
)

// TestAnyAddress asks for memory that is there, that is the end of something, and
// that is not there at all.
func TestAnyAddress(t *testing.T) {
	t.Parallel()
	values := make([]uint64, 1<<16)
	for i := range values {
		values[i] = uint64(i)
		prefetch.Line(unsafe.Pointer(&values[i]))
	}
	prefetch.Line(nil)
	for i, value := range values {
		if value != uint64(i) {
			t.Fatalf("values[%d] = %d", i, value)
		}
	}
}
