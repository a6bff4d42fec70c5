package tiered

import (
	"runtime"
	"sync"
	"testing"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	const goroutines, each = 100, 1000
	var c counter
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				c.add()
			}
		})
	}
	all.Wait()
	if n := c.sum(); n != goroutines*each {
		t.Errorf("%d, want %d", n, goroutines*each)
	}
}

// Goroutines that run at one time take different stripes as a rule: were it one
// for all, or a few, they would wait for each other.
func TestCounterSpreads(t *testing.T) {
	t.Parallel()
	const goroutines = 32
	var c counter
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range goroutines {
		all.Go(func() {
			<-begin // so that none has the stack of one that has ended
			c.add()
			runtime.Gosched()
		})
	}
	close(begin)
	all.Wait()
	used := 0
	for i := range c.stripes {
		if c.stripes[i].n.Load() > 0 {
			used++
		}
	}
	if used < 8 { // 20 on average, if by chance
		t.Errorf("%d goroutines took %d stripes", goroutines, used)
	}
}
