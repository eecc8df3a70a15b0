package symbol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// abbrevTable has a unit, a function and an inlined function with addresses
// and an origin, and a block without attributes. All have children.
const abbrevTable = "\x01\x11\x01\x11\x01\x12\x06\x00\x00" +
	"\x02\x2e\x01\x11\x01\x12\x06\x31\x13\x00\x00" +
	"\x03\x1d\x01\x11\x01\x12\x06\x31\x13\x00\x00" +
	"\x04\x0b\x01\x00\x00\x00"

// unit4 makes a unit of DWARF 4.
func unit4(abbrev uint32, entries string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(7+len(entries)))
	b = append(b, 4, 0)
	b = binary.LittleEndian.AppendUint32(b, abbrev)
	return append(append(b, 8), entries...)
}

// entry4 makes an entry that covers 0x1000 to 0x2000.
func entry4(code byte, origin uint32) string {
	b := binary.LittleEndian.AppendUint64([]byte{code}, 0x1000)
	b = binary.LittleEndian.AppendUint32(b, 0x1000)
	if code != 1 {
		b = binary.LittleEndian.AppendUint32(b, origin)
	}
	return string(b)
}

// TestHostileEntries looks up an address in trees that nobody would write.
func TestHostileEntries(t *testing.T) {
	const function = 11 + 13 // where the first entry of the unit is
	for name, test := range map[string]struct {
		entries string
		calls   int
	}{
		"own origin":        {entry4(2, function), 1},
		"origin of another": {entry4(2, 1<<31), 1},
		"nested inlining":   {entry4(2, 0) + strings.Repeat(entry4(3, function), 10_000), maxInlined + 1},
		"nested functions":  {strings.Repeat(entry4(2, function), 10_000), 1},
		"deep":              {entry4(2, function) + strings.Repeat("\x04", 1_000_000), 1},
		"unknown entry":     {entry4(2, function) + "\x7f", 1},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := newDebugInfo(map[string][]byte{".debug_info": unit4(0, entry4(1, 0)+test.entries), ".debug_abbrev": []byte(abbrevTable)})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if got := d.lookup(0x1800); len(got) != test.calls {
				t.Errorf("%d calls, want %d", len(got), test.calls)
			}
			if took := time.Since(start); took > 2*maxLookup {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestHostileUnits has what debug/dwarf must not be given.
func TestHostileUnits(t *testing.T) {
	attrs := "\x01\x11\x01" + strings.Repeat("\x03\x08", maxAttrs+1) + "\x00\x00\x00"
	long := append(unit4(0, entry4(1, 0)), 0)
	binary.LittleEndian.PutUint32(long, 1<<20)
	for name, test := range map[string]struct {
		info   []byte
		abbrev string
	}{
		"overlapping tables":  {append(unit4(0, entry4(1, 0)), unit4(9, entry4(2, 0))...), abbrevTable},
		"too many attributes": {unit4(0, entry4(1, 0)), attrs},
		"table without end":   {unit4(0, entry4(1, 0)), abbrevTable[:len(abbrevTable)-1]},
		"no table":            {unit4(1<<20, entry4(1, 0)), abbrevTable},
		"empty unit":          {make([]byte, 1<<10), abbrevTable},
		"unit without end":    {long, abbrevTable},
		"number without end":  {unit4(0, entry4(1, 0)+strings.Repeat("\xff", tinyUnit)), abbrevTable},
		"no header":           {[]byte{0, 0}, abbrevTable},
		"many units":          {bytes.Repeat(unit4(0, "\x00"), maxUnits+1), abbrevTable},
	} {
		if _, err := checkUnits(test.info, []byte(test.abbrev)); !errors.Is(err, errHostile) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// lines5 makes a line program of DWARF 5 with those tables of directories and
// files.
func lines5(tables string) []byte {
	const opcodes = "\x01\x01\x01\xfb\x0e\x0d" + "\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01"
	b := binary.LittleEndian.AppendUint32(nil, uint32(8+len(opcodes)+len(tables)))
	b = append(b, 5, 0, 8, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(opcodes)+len(tables)))
	return append(append(b, opcodes...), tables...)
}

// TestHostileLines has tables that debug/dwarf would allocate for what they
// claim.
func TestHostileLines(t *testing.T) {
	const good, none = "\x01\x01\x1f\x01\x00\x00\x00\x00", "\x00\x00"
	if err := checkLines(lines5(good+good), 0, 10, 10); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct {
		line   []byte
		at     int64
		string int
	}{
		"directories":        {lines5("\x00\xff\xff\xff\xff\x0f" + none), 0, 10},
		"files":              {lines5(good + "\x01\x01\x1f\xff\xff\xff\xff\x0f\x00"), 0, 10},
		"unknown form":       {lines5("\x01\x01\x70\x01\x00" + none), 0, 10},
		"long names":         {lines5(good + good + strings.Repeat("\x00", 8000)), 0, maxString},
		"number without end": {lines5(good + good + "\x80"), 0, 10},
		"no header":          {lines5(none + none)[:8], 0, 10},
		"elsewhere":          {lines5(none + none), 1 << 40, 10},
	} {
		if err := checkLines(test.line, test.at, 10, test.string); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
}
