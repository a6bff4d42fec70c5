package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// results are tables in the order in which their benchmarks came.
type results struct {
	tables []*table
}

// A table has what was measured at the same work.
type table struct {
	title string
	rows  []*row
}

// A row has what was measured of one of the compared, by unit.
type row struct {
	name   string
	values map[string][]float64
}

// read adds the benchmarks of a run. A run that failed is an error: what it
// printed may be that of half the work.
func (r *results) read(from io.Reader) error {
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "--- FAIL") || strings.HasPrefix(line, "FAIL") {
			return fmt.Errorf("line %d: a run failed", n)
		}
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(line, "Benchmark") {
			if err := r.add(fields); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	return lines.Err()
}

// add takes the fields of a line: name, iterations, and values with their units.
func (r *results) add(fields []string) error {
	title, name, err := parse(fields[0])
	if err != nil {
		return err
	}
	values := r.row(title, name).values
	for pair := range slices.Chunk(fields[2:], 2) {
		v, err := strconv.ParseFloat(pair[0], 64)
		if err != nil || len(pair) < 2 {
			return errors.New("not a number and its unit: " + strings.Join(pair, " "))
		}
		values[pair[1]] = append(values[pair[1]], v)
	}
	return nil
}

// parse takes a name apart, such as BenchmarkRivals/miss/ours/g=64-2, into what
// its table is about and who was measured.
func parse(full string) (title, name string, err error) {
	processors := 1
	if i := strings.LastIndexByte(full, '-'); i >= 0 {
		if n, err := strconv.Atoi(full[i+1:]); err == nil {
			full, processors = full[:i], n
		}
	}
	parts := strings.Split(full, "/")
	if len(parts) < 3 {
		return "", "", fmt.Errorf("%s has not the form Benchmark…/case/name", full)
	}
	title = strings.Join(slices.Delete(slices.Clone(parts), 2, 3), " ")
	return fmt.Sprintf("%s, processors: %d", strings.TrimPrefix(title, "Benchmark"), processors), parts[2], nil
}

func (r *results) row(title, name string) *row {
	i := slices.IndexFunc(r.tables, func(t *table) bool { return t.title == title })
	if i < 0 {
		i = len(r.tables)
		r.tables = append(r.tables, &table{title: title})
	}
	t := r.tables[i]
	j := slices.IndexFunc(t.rows, func(o *row) bool { return o.name == name })
	if j < 0 {
		j = len(t.rows)
		t.rows = append(t.rows, &row{name: name, values: map[string][]float64{}})
	}
	return t.rows[j]
}

// median returns that of what was measured in unit.
func (w *row) median(unit string) (m float64, ok bool) {
	v := slices.Sorted(slices.Values(w.values[unit]))
	n := len(v)
	if n == 0 {
		return 0, false
	}
	return (v[(n-1)/2] + v[n/2]) / 2, true
}
