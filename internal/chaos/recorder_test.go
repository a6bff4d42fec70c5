//go:build unix

package chaos

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/chaos/history"
	"leadcache/internal/chaos/node"
)

// TestRecorder: an acknowledgement that comes later is not another write.
func TestRecorder(t *testing.T) {
	t.Parallel()
	r := newRecorder()
	first := history.Write{Key: "k", Node: 1, Version: 2, Returned: 10}
	other := history.Write{Key: "l", Node: 2, Version: 2, Returned: 10, Acked: 10}
	acked := first
	acked.Acked = 20
	r.observe(node.Message{Writes: []history.Write{first}, Failed: 1})
	r.observe(node.Message{Writes: []history.Write{other, acked}, Failed: 2})
	if diff := cmp.Diff([]history.Write{acked, other}, r.history.Writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if r.failed != 3 {
		t.Errorf("failed = %d, want 3", r.failed)
	}
}
