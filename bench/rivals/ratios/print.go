package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
)

// ours is the name of what the others are compared with.
const ours = "ours"

// units are the columns; the first that a table has is the one to compare.
var units = []string{"ns/op", "hit-%", "loads/op", "B/op", "allocs/op"}

// print writes the tables. A case without ours has no ratios.
func (r *results) print(to io.Writer) error {
	if len(r.tables) == 0 {
		return errors.New("no benchmarks")
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, t := range r.tables {
		t.print(w)
	}
	return w.Flush()
}

func (t *table) print(w io.Writer) {
	columns := slices.DeleteFunc(slices.Clone(units), func(unit string) bool {
		return !slices.ContainsFunc(t.rows, func(row *row) bool { return len(row.values[unit]) > 0 })
	})
	if len(columns) == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n%s\t× ours\t", t.title, columns[0])
	for _, unit := range columns[1:] {
		fmt.Fprintf(w, "%s\t", unit)
	}
	fmt.Fprintln(w, "  name")
	for _, row := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t", row.cell(columns[0]), t.ratio(row, columns[0]))
		for _, unit := range columns[1:] {
			fmt.Fprintf(w, "%s\t", row.cell(unit))
		}
		fmt.Fprintf(w, "  %s\n", row.name)
	}
	fmt.Fprintln(w)
}

// ratio says how many times as much as ours row has.
func (t *table) ratio(w *row, unit string) string {
	i := slices.IndexFunc(t.rows, func(o *row) bool { return o.name == ours })
	if i < 0 {
		return "-"
	}
	base, ok := t.rows[i].median(unit)
	v, measured := w.median(unit)
	if !ok || !measured || base == 0 {
		return "-"
	}
	return strconv.FormatFloat(v/base, 'f', 2, 64)
}

// cell returns the median with four digits or so.
func (w *row) cell(unit string) string {
	v, ok := w.median(unit)
	switch {
	case !ok:
		return "-"
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
