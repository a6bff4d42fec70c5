package tiered

import (
	"sync/atomic"
	"time"
)

// latency is a moving average, each sample weighing an eighth.
type latency struct{ nanoseconds atomic.Int64 }

// observe may lose one of two samples that come at once.
func (l *latency) observe(d time.Duration) {
	if old := l.nanoseconds.Load(); old > 0 {
		d = time.Duration(old) + (d-time.Duration(old))/8
	}
	l.nanoseconds.Store(int64(d))
}

func (l *latency) average() time.Duration { return time.Duration(l.nanoseconds.Load()) }
