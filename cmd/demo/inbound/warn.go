package inbound

import (
	"log/slog"
	"sync"
	"time"
)

// warnEvery keeps a database that is down, or someone who tries signatures,
// from filling the log.
const warnEvery = 10 * time.Second

// warnings logs each text at most once in warnEvery. The texts are constants,
// so there are few.
type warnings struct {
	logger *slog.Logger

	mu     sync.Mutex
	byText map[string]warning // guarded by mu
}

type warning struct {
	next   time.Time // when it may be logged again
	hidden int       // times that it was not, since it last was
}

func (ws *warnings) warn(text string, err error) {
	hidden, ok := ws.pass(text, time.Now())
	if ok {
		ws.logger.Warn(text, slog.Any("err", err), slog.Int("not_logged", hidden))
	}
}

// pass says whether text may be logged now, and how often it was not since it
// last was.
func (ws *warnings) pass(text string, now time.Time) (hidden int, ok bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.byText[text]
	if now.Before(w.next) {
		w.hidden++
		ws.byText[text] = w
		return 0, false
	}
	if ws.byText == nil {
		ws.byText = make(map[string]warning)
	}
	ws.byText[text] = warning{next: now.Add(warnEvery)}
	return w.hidden, true
}
