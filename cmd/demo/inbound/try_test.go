package inbound

import (
	"strings"
	"testing"
)

func TestTry(t *testing.T) {
	t.Parallel()
	if v, err := try(func() (int, error) { return 1, nil }); v != 1 || err != nil {
		t.Errorf("try = %d, %v, want 1, nil", v, err)
	}
	_, err := try(func() (int, error) { panic("a secret") })
	if err == nil || !strings.Contains(err.Error(), "TestTry") || strings.Contains(err.Error(), "a secret") {
		t.Errorf("try of a panic = %v, want where it was and not its value", err)
	}
}
