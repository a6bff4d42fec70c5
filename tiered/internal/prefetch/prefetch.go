// Package prefetch begins to fetch memory that is going to be read a moment later.
package prefetch

import "unsafe"

// Line asks the processor to bring the cache line at p close, and does not wait for
// it. It may do nothing, and p may be any address, nil too: it is never read.
//
// A load cannot do the same: an exact clock, and whatever else waits until all
// loads before it are done, waits for a load too, but not for a line that was only
// asked for.
func Line(p unsafe.Pointer) { line(p) }
