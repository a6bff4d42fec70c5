//go:build unix

package footprint

import (
	"runtime"
	"testing"
)

// TestTake: what is allocated is seen, and no longer once it is let go.
func TestTake(t *testing.T) {
	const size = 64 << 20
	take := func() Footprint {
		t.Helper()
		f, err := Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := take()
	block := make([]byte, size)
	for i := 0; i < len(block); i += 1 << 10 {
		block[i] = 1
	}
	during := take()
	runtime.KeepAlive(block)
	after := take()
	if grown := int64(during.Live) - int64(before.Live); grown < size*9/10 || grown > 2*size || during.Heap < during.Live {
		t.Errorf("Live grew by %d in a heap of %d, want about %d", grown, during.Heap, size)
	}
	if during.RSS < size {
		t.Errorf("RSS = %d, want at least %d", during.RSS, size)
	}
	if after.Live > before.Live+size/2 {
		t.Errorf("Live = %d when all is let go, and was %d before", after.Live, before.Live)
	}
	if before.Goroutines < 1 || before.Objects == 0 || before.Stacks == 0 {
		t.Errorf("Take = %+v, want something of each", before)
	}
}

func TestCPU(t *testing.T) {
	before, err := CPU()
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after <= before; { // works until it shows
		if after, err = CPU(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecond(t *testing.T) {
	t.Parallel()
	if n, err := second([]byte(" 17 23 5\n"), 4); n != 92 || err != nil {
		t.Errorf("second = %d, %v, want 92", n, err)
	}
	for _, text := range []string{"", "17", "17 x"} {
		if n, err := second([]byte(text), 4); err == nil {
			t.Errorf("second(%q) = %d, want an error", text, n)
		}
	}
}
