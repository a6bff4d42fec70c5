package tiered

import "time"

// warnEvery keeps what happens all the time from filling the log.
const warnEvery = 10 * time.Second

// A warning is one text that was logged.
type warning struct {
	next   time.Time // when it may be logged again
	hidden int       // times that it was not, since it last was
}

// warn logs a failure, see limited.
func (r *Redis) warn(text string, err error) { r.limited(r.opts.Logger.Warn, text, "err", err) }

// limited has log, a method of the Logger, log text: at most once in ten
// seconds, with how often it was left out.
func (r *Redis) limited(log func(string, ...any), text string, args ...any) {
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
	log(text, append(args, "not_logged", w.hidden)...)
}
