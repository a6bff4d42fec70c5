package tiered

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	t.Parallel()
	before := time.Now()
	c := newClock()
	if c.origin == 0 {
		t.Error("it asks time.Since")
	}
	first, since := c.now(), time.Since(before)
	for c.now() < first+int64(time.Millisecond) {
		continue
	}
	if first < 1 || first > int64(since)+1 || time.Since(before) < time.Millisecond {
		t.Errorf("now = %d, %v after the clock was made, and not a millisecond more %v after that", first, since, time.Since(before))
	}
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		time.Sleep(time.Hour)
		if now := c.now(); now != int64(time.Hour)+1 {
			t.Errorf("now = %d after an hour in a bubble", now)
		}
	})
}
