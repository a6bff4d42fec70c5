package inbound

import "sync"

// A queue carries out the work of one connection: that of one conversation in
// order, that of different ones at the same time.
type queue struct {
	slots chan struct{} // one for each piece of work that is not done
	work  sync.WaitGroup

	mu   sync.Mutex
	last map[conversation]<-chan struct{} // guarded by mu; closed when that work is done
}

func newQueue(limit int) *queue {
	return &queue{slots: make(chan struct{}, limit), last: make(map[conversation]<-chan struct{})}
}

// add begins do as soon as all that was added for c before is done. It waits
// while the queue is full, which is as long as do may take.
func (q *queue) add(c conversation, do func()) {
	q.slots <- struct{}{}
	done := make(chan struct{})
	q.mu.Lock()
	before := q.last[c] // nil if none is left
	q.last[c] = done
	q.mu.Unlock()
	q.work.Go(func() {
		defer func() { <-q.slots }()
		if before != nil {
			<-before
		}
		defer q.finish(c, done)
		do()
	})
}

func (q *queue) finish(c conversation, done chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last[c] == done {
		delete(q.last, c)
	}
	close(done)
}

// wait returns when all that was added is done.
func (q *queue) wait() { q.work.Wait() }
