package leadsvc

import (
	"sync"
	"time"
)

// warnEvery keeps a Redis that is down from filling the log.
const warnEvery = 10 * time.Second

// limit lets one event through in each interval and counts the others.
type limit struct {
	mu     sync.Mutex
	next   time.Time // when the next one may pass
	hidden int       // since the last one that did
}

// pass says whether an event at that time passes, and how many did not since
// the last one that did.
func (l *limit) pass(now time.Time, every time.Duration) (hidden int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.hidden++
		return 0, false
	}
	hidden, l.hidden = l.hidden, 0
	l.next = now.Add(every)
	return hidden, true
}
