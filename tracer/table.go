package tracer

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// errTablesFull is returned when the rows or rules map has no room for a file.
var errTablesFull = errors.New("unwind tables are full")

// extent is a run of rows in the rows map.
type extent struct{ first, count uint32 }

// tables owns the rows and rules maps: it places each file's rows and numbers
// the distinct rules of all files.
type tables struct {
	rows, rules *ebpf.Map
	numbers     map[unwind.Rule]uint32
	byNumber    []unwind.Rule
	free        []extent // sorted by first, no two adjacent
}

func newTables(rows, rules *ebpf.Map) *tables {
	return &tables{
		rows: rows, rules: rules,
		numbers: make(map[unwind.Rule]uint32),
		free:    []extent{{0, rows.MaxEntries()}},
	}
}

// add writes a file's table into the kernel, and returns it as it is there.
// The extent is given back with remove.
func (t *tables) add(table unwind.Table) (extent, []ledgerLeakRow, error) {
	if len(table) == 0 {
		return extent{}, nil, nil
	}
	keys := make([]uint32, len(table))
	rows := make([]ledgerLeakRow, len(table))
	for i, row := range table {
		rule, err := t.number(row.Rule)
		if err != nil {
			return extent{}, nil, err
		}
		rows[i] = ledgerLeakRow{Pc: row.PC, Rule: rule}
	}
	place, err := t.take(uint32(len(table)))
	if err != nil {
		return extent{}, nil, err
	}
	for i := range keys {
		keys[i] = place.first + uint32(i)
	}
	if _, err := t.rows.BatchUpdate(keys, rows, nil); err != nil {
		t.remove(place)
		return extent{}, nil, fmt.Errorf("write %d unwind rows: %w", len(rows), err)
	}
	return place, rows, nil
}

// rule returns the rule that applies at an ELF virtual address.
func (t *tables) rule(rows []ledgerLeakRow, vaddr uint64) (unwind.Rule, unwind.Found) {
	i := sort.Search(len(rows), func(i int) bool { return uint64(rows[i].Pc) > vaddr })
	if i == 0 {
		return unwind.Rule{}, unwind.NoTable
	}
	return t.byNumber[rows[i-1].Rule], unwind.HasRule
}

// number returns the number of a rule, writing it at first sight.
func (t *tables) number(rule unwind.Rule) (uint32, error) {
	if n, ok := t.numbers[rule]; ok {
		return n, nil
	}
	n := uint32(len(t.numbers))
	if n >= t.rules.MaxEntries() {
		return 0, fmt.Errorf("%w: %d distinct rules", errTablesFull, n)
	}
	if err := t.rules.Put(n, unwind.Pack(rule)); err != nil {
		return 0, fmt.Errorf("write unwind rule: %w", err)
	}
	t.numbers[rule] = n
	t.byNumber = append(t.byNumber, rule)
	return n, nil
}

// take finds the first free run that is large enough.
func (t *tables) take(count uint32) (extent, error) {
	for i := range t.free {
		if run := &t.free[i]; run.count >= count {
			place := extent{run.first, count}
			run.first += count
			run.count -= count
			if run.count == 0 {
				t.free = slices.Delete(t.free, i, i+1)
			}
			return place, nil
		}
	}
	return extent{}, fmt.Errorf("%w: no room for %d rows", errTablesFull, count)
}

// remove gives rows back. No published space may refer to them any more.
func (t *tables) remove(place extent) {
	if place.count == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(t.free, place, func(a, b extent) int { return int(int64(a.first) - int64(b.first)) })
	t.free = slices.Insert(t.free, i, place)
	if i+1 < len(t.free) && place.first+place.count == t.free[i+1].first {
		t.free[i].count += t.free[i+1].count
		t.free = slices.Delete(t.free, i+1, i+2)
	}
	if i > 0 && t.free[i-1].first+t.free[i-1].count == t.free[i].first {
		t.free[i-1].count += t.free[i].count
		t.free = slices.Delete(t.free, i, i+1)
	}
}
