//go:build unix

// Package footprint measures what this process occupies.
package footprint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A Footprint is what a process occupies at one moment.
type Footprint struct {
	Live       uint64 // bytes of objects on the heap, after a garbage collection
	Heap       uint64 // bytes that those take with the gaps between them
	Stacks     uint64 // bytes, those of all goroutines
	Objects    uint64 // on the heap, after a garbage collection
	Goroutines int
	RSS        uint64 // bytes in memory, before the garbage collection
}

// Take collects garbage and returns the footprint. A second collection frees
// what finalizers and pools have let go in the first.
func Take(ctx context.Context) (f Footprint, err error) {
	if f.RSS, err = resident(ctx); err != nil {
		return f, err
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Live, f.Heap, f.Stacks, f.Objects = m.HeapAlloc, m.HeapInuse, m.StackInuse, m.HeapObjects
	f.Goroutines = runtime.NumGoroutine()
	return f, nil
}

// resident asks /proc, or else ps.
func resident(ctx context.Context) (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		return second(text, uint64(os.Getpagesize()))
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "pid=,rss=", "-p", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		return 0, fmt.Errorf("neither /proc nor ps tells the size of this process: %w", err)
	}
	return second(out, 1<<10)
}

// second returns the second number of text, times unit.
func second(text []byte, unit uint64) (uint64, error) {
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, errors.New("no size of this process")
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 64)
	return n * unit, err
}

// CPU returns the processor time that this process has used.
func CPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
