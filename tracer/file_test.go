package tracer

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

func smallTables(t *testing.T, rows, rules uint32) *tables {
	t.Helper()
	return newTables(smallArray(t, rows, 8), smallArray(t, rules, 8))
}

// rulesFrom is a table of so many rules that no other has but those nearby.
func rulesFrom(first, count int) (table unwind.Table) {
	for i := range 2 * count {
		table = append(table, unwind.Row{PC: uint32(i), Rule: unwind.Rule{Param: int32(first + i%count)}})
	}
	return table
}

// Rules are shared by files, and go with the last that has them.
func TestTablesGiveBack(t *testing.T) {
	tables := smallTables(t, 64, 8)
	whose := &tenant{}
	place, rows, err := tables.add(rulesFrom(0, 5), whose)
	if err != nil {
		t.Fatal(err)
	}
	for first := 3; first < 60; first += 7 {
		other, otherRows, err := tables.add(rulesFrom(first, 3), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rulesFrom(first, 3) {
			var packed uint64
			if err := tables.rules.Lookup(otherRows[i].Rule, &packed); err != nil || packed != unwind.Pack(row.Rule) {
				t.Errorf("row %d has rule %x (%v), want %x", i, packed, err, unwind.Pack(row.Rule))
			}
			if got, _ := tables.rule(otherRows, uint64(row.PC)); got != row.Rule {
				t.Errorf("row %d has rule %v, want %v", i, got, row.Rule)
			}
		}
		tables.remove(other, otherRows)
	}
	if len(tables.numbers) != 5 || whose.rules != 5 {
		t.Errorf("%d rules are left, %d of the tenant, want 5", len(tables.numbers), whose.rules)
	}
	if _, _, err := tables.add(rulesFrom(10, 4), nil); !errors.Is(err, errTablesFull) {
		t.Errorf("four more rules, where there is room for three: %v", err)
	}
	tables.remove(place, rows)
	if len(tables.numbers) != 0 || whose.rules != 0 || len(tables.freeNumbers) != len(tables.byNumber) {
		t.Errorf("%d rules are left, %d of the tenant", len(tables.numbers), whose.rules)
	}
	if diff := cmp.Diff(newExtents(64), tables.free, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("free in the end: %s", diff)
	}
}

// A tenant that has its part of rows or rules is refused more.
func TestTenantTables(t *testing.T) {
	for name, tt := range map[string]struct {
		need        tableNeed
		rows, rules uint64 // refused
	}{
		"fits":           {tableNeed{2, 2}, 0, 0},
		"too many rows":  {tableNeed{3, 2}, 1, 0},
		"too many rules": {tableNeed{2, 3}, 0, 1},
	} {
		whose := &tenant{rows: 30, rules: 0}
		may := whose.mayTable(tt.need, 64, 8)
		if may != (tt.rows+tt.rules == 0) || whose.refused.rows != tt.rows || whose.refused.rules != tt.rules {
			t.Errorf("%s: may %v, refused %+v", name, may, whose.refused)
		}
	}
}

// A file whose first tenant has no room left for its table has one when another maps
// it that has.
func TestFileOfNextTenant(t *testing.T) {
	for name, greedy := range map[string]*tenant{"rows": {rows: 1 << 15}, "rules": {rules: 1 << 10}} {
		t.Run(name, func(t *testing.T) {
			fs := &files{tables: smallTables(t, 1<<16, 1<<12), byKey: make(map[fileKey]*file)}
			had, modest := *greedy, &tenant{}
			open := func(whose *tenant) *file {
				opened, err := os.Open("/bin/true")
				if err != nil {
					t.Fatal(err)
				}
				f, err := fs.open(opened, "/bin/true", "/", whose)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			f := open(greedy)
			if len(f.rows) > 0 || greedy.rows != had.rows || greedy.rules != had.rules || greedy.refused == had.refused {
				t.Errorf("%d rows; the greedy has %d rows and %d rules, and was refused %+v", len(f.rows), greedy.rows, greedy.rules, greedy.refused)
			}
			if same := open(modest); same != f || len(f.rows) == 0 || f.place.count != modest.rows || modest.rules == 0 {
				t.Errorf("the modest has %d of %d rows and %d rules", modest.rows, len(f.rows), modest.rules)
			}
			open(greedy)
			for range 3 {
				if err := fs.release(f); err != nil {
					t.Fatal(err)
				}
			}
			if modest.rows != 0 || modest.rules != 0 || greedy.files != 0 || greedy.rows != had.rows {
				t.Errorf("the modest still has %d rows and %d rules, the greedy %d rows", modest.rows, modest.rules, greedy.rows)
			}
		})
	}
}
