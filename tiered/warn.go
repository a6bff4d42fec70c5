package tiered

import (
	"context"
	"errors"
	"time"
)

// warnEvery keeps what happens all the time from filling the log.
const warnEvery = 10 * time.Second

// A warning is one text that was logged.
type warning struct {
	next   time.Time // when it may be logged again
	hidden int       // times that it was not, since it last was
}

// warn logs text, at most once in ten seconds, and how often it was left out.
func (r *Redis) warn(text string, err error) {
	r.mu.Lock()
	w, now := r.warnings[text], time.Now()
	if now.Before(w.next) {
		w.hidden++
		r.warnings[text] = w
		r.mu.Unlock()
		return
	}
	r.warnings[text] = warning{next: now.Add(warnEvery)}
	r.mu.Unlock()
	r.opts.Logger.Warn(text, "err", err, "not_logged", w.hidden)
}

// failed notes that a command failed. A caller who left is no failure.
func (r *Redis) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	r.mu.Lock()
	r.status.Err = err
	r.mu.Unlock()
	r.warn("tiered: Redis refuses commands or does not answer in time; the loaders do", err)
}
