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
	byNumber    []numberedRule
	freeNumbers []uint32
	free        extents // of rows
}

// numberedRule is a rule that is in the kernel; without files its number is free.
type numberedRule struct {
	unwind.Rule
	files  int     // how many have it
	tenant *tenant // for whose file it was numbered; nil unless a node is traced
}

// tableNeed is what a table takes: rows, and rules that no other has.
type tableNeed struct{ rows, rules uint32 }

func newTables(rows, rules *ebpf.Map) *tables {
	return &tables{
		rows: rows, rules: rules,
		numbers: make(map[unwind.Rule]uint32),
		free:    newExtents(rows.MaxEntries()),
	}
}

func (t *tables) need(table unwind.Table) tableNeed {
	fresh := make(map[unwind.Rule]bool)
	for _, row := range table {
		if _, known := t.numbers[row.Rule]; !known {
			fresh[row.Rule] = true
		}
	}
	return tableNeed{uint32(len(table)), uint32(len(fresh))}
}

// fits tells whether there is room.
func (t *tables) fits(need tableNeed) bool {
	return t.free.longest() >= need.rows && uint32(len(t.numbers))+need.rules <= t.rules.MaxEntries()
}

// add writes the table of a tenant's file into the kernel, and returns it as it
// is there. It is given back with remove.
func (t *tables) add(table unwind.Table, whose *tenant) (extent, []ledgerLeakRow, error) {
	if len(table) == 0 {
		return extent{}, nil, nil
	}
	if need := t.need(table); !t.fits(need) {
		return extent{}, nil, fmt.Errorf("%w: no room for %d rows or %d rules", errTablesFull, need.rows, need.rules)
	}
	place, _ := t.free.take(uint32(len(table)))
	keys := make([]uint32, len(table))
	rows := make([]ledgerLeakRow, 0, len(table))
	had := make(map[uint32]bool)
	for i, row := range table {
		rule, err := t.number(row.Rule, whose)
		if err != nil {
			t.remove(place, rows)
			return extent{}, nil, err
		}
		if !had[rule] {
			had[rule] = true
			t.byNumber[rule].files++
		}
		keys[i] = place.first + uint32(i)
		rows = append(rows, ledgerLeakRow{Pc: row.PC, Rule: rule})
	}
	if _, err := t.rows.BatchUpdate(keys, rows, nil); err != nil {
		t.remove(place, rows)
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
	return t.byNumber[rows[i-1].Rule].Rule, unwind.HasRule
}

// number returns the number of a rule, writing it at first sight.
func (t *tables) number(rule unwind.Rule, whose *tenant) (uint32, error) {
	if n, ok := t.numbers[rule]; ok {
		return n, nil
	}
	n := uint32(len(t.byNumber))
	if last := len(t.freeNumbers) - 1; last >= 0 {
		n, t.freeNumbers = t.freeNumbers[last], t.freeNumbers[:last]
	} else {
		t.byNumber = append(t.byNumber, numberedRule{})
	}
	t.numbers[rule] = n
	t.byNumber[n] = numberedRule{Rule: rule, tenant: whose}
	whose.ruled(1)
	if err := t.rules.Put(n, unwind.Pack(rule)); err != nil {
		t.freeNumber(n)
		return 0, fmt.Errorf("write unwind rule: %w", err)
	}
	return n, nil
}

func (t *tables) freeNumber(n uint32) {
	r := &t.byNumber[n]
	delete(t.numbers, r.Rule)
	r.tenant.ruled(-1)
	*r = numberedRule{}
	t.freeNumbers = append(t.freeNumbers, n)
}

// remove gives rows back, and the rules that no other file has. No published
// space may refer to them any more.
func (t *tables) remove(place extent, rows []ledgerLeakRow) {
	t.free.give(place)
	had := make(map[uint32]bool)
	for _, row := range rows {
		if had[row.Rule] {
			continue
		}
		had[row.Rule] = true
		t.byNumber[row.Rule].files--
		if t.byNumber[row.Rule].files == 0 {
			t.freeNumber(row.Rule)
		}
	}
}
