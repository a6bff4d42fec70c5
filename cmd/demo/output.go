package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// A lineWriter puts a prefix before each line. It is used by one goroutine.
type lineWriter struct {
	w      io.Writer
	prefix string
	part   []byte // a line that has not ended yet
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		// One Write for the whole line, so that lines of several nodes do not mix.
		if _, err := fmt.Fprintf(l.w, "%s%s", l.prefix, l.part[:i+1]); err != nil {
			return 0, err
		}
		l.part = l.part[i+1:]
	}
}

// A syncWriter lets several goroutines write whole lines to one writer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
