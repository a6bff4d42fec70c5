//go:build unix

package outage

import (
	"errors"
	"slices"
	"testing"
)

func TestTake(t *testing.T) {
	t.Parallel()
	a, b, c := step{name: "a", state: away}, step{name: "b", state: back}, step{name: "c"}
	for _, test := range []struct {
		name     string
		busy     []float64 // of the phases in turn; then none is
		want     []string
		repeated []bool
	}{
		{"a quiet machine", []float64{0, tooBusy / 2}, []string{"a", "b", "c"}, []bool{false, false, false}},
		{
			"busy for a while",
			[]float64{0, tooBusy},
			[]string{"a", "b", "a", "b", "c"},
			[]bool{true, true, false, false, false},
		},
		{
			"busy all the time",
			[]float64{1, 1, 1, 1, 1, 1, 1, 1, 1},
			[]string{"a", "b", "a", "b", "a", "b", "c"},
			[]bool{true, true, true, true, false, false, false},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			busy := test.busy
			all, err := take([]round{{a, b}, {c}}, func(s step) (p phase, _ error) {
				p.step = s
				if len(busy) > 0 {
					p.busy, busy = busy[0], busy[1:]
				}
				return p, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			var repeated []bool
			for _, p := range all {
				names, repeated = append(names, p.name), append(repeated, p.repeated)
			}
			if !slices.Equal(names, test.want) || !slices.Equal(repeated, test.repeated) {
				t.Errorf("take = %v, repeated %v, want %v, %v", names, repeated, test.want, test.repeated)
			}
		})
	}
}

func TestTakeFails(t *testing.T) {
	t.Parallel()
	want := errors.New("no")
	_, err := take(rounds, func(s step) (phase, error) {
		if s.state == back {
			return phase{}, want
		}
		return phase{}, nil
	})
	if !errors.Is(err, want) {
		t.Errorf("take = %v, want %v", err, want)
	}
}
