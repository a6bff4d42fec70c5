//go:build amd64 || arm64

package prefetch

import "unsafe"

// Line asks the processor to bring the cache line at p close, and does not wait for
// it. It may do nothing, and p may be any address, nil too: it is never read.
//
// A load cannot do the same: an exact clock, and whatever else waits until all
// loads before it are done, waits for a load too, but not for a line that was only
// asked for.
//
//go:noescape
func Line(p unsafe.Pointer)
