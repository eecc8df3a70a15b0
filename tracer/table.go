package tracer

import (
	"errors"
	"fmt"
	"sort"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// errTablesFull is returned when the rows or rules map has no room for a file.
var errTablesFull = errors.New("unwind tables are full")

// tables owns the rows and rules maps: it places each file's rows and numbers
// the distinct rules of all files.
type tables struct {
	rows, rules *ebpf.Map
	numbers     map[unwind.Rule]uint32
	byNumber    []unwind.Rule
	free        extents // of rows
}

func newTables(rows, rules *ebpf.Map) *tables {
	return &tables{
		rows: rows, rules: rules,
		numbers: make(map[unwind.Rule]uint32),
		free:    newExtents(rows.MaxEntries()),
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
	place, ok := t.free.take(uint32(len(table)))
	if !ok {
		return extent{}, nil, fmt.Errorf("%w: no room for %d rows", errTablesFull, len(table))
	}
	for i := range keys {
		keys[i] = place.first + uint32(i)
	}
	if _, err := t.rows.BatchUpdate(keys, rows, nil); err != nil {
		t.free.give(place)
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

// remove gives rows back. No published space may refer to them any more.
func (t *tables) remove(place extent) { t.free.give(place) }
