//go:build unix

package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/chaos/history"
)

// TestPendings: what is added after the count was taken was not seen delivered.
func TestPendings(t *testing.T) {
	t.Parallel()
	var p pendings
	p.add(history.Write{Version: 1})
	p.add(history.Write{Version: 2})
	seen := p.count()
	p.add(history.Write{Version: 3})
	want := []history.Write{{Version: 1}, {Version: 2}}
	if diff := cmp.Diff(want, p.take(seen)); diff != "" {
		t.Errorf("take (-want +got):\n%s", diff)
	}
	if p.count() != 1 {
		t.Errorf("count = %d, want 1", p.count())
	}
}
