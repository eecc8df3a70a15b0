// Package pclntab reads the function and line tables that every Go binary
// carries, stripped or not, from the file and in place: a lookup reads the few
// bytes it needs, so a large binary costs no memory. It understands the format
// of Go 1.18 and later, and inlining from Go 1.20 on.
package pclntab

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// The first four bytes of the header.
const (
	magic118 = 0xfffffff0
	magic120 = 0xfffffff1
)

// Call is one function activation at an address.
type Call struct {
	Function string
	File     string
	Line     int
	// Inlined says that the function's code is part of the next Call's.
	Inlined bool
}

// Table is the pclntab of one file.
type Table struct {
	mem    memory
	header header
	// text is where function offsets count from.
	text uint64
	// gofunc is where funcdata offsets count from; 0 when not known, and then
	// inlined calls are not told apart.
	gofunc uint64
	module uint64 // address of runtime.moduledata; 0 when not known
}

// header is the decoded pcHeader. The tables are virtual addresses.
type header struct {
	addr                               uint64
	magic                              uint32
	quantum                            uint64
	nfunc                              uint64
	textStart                          uint64
	funcnames, cus, files, pctab, pcln uint64
}

const headerSize = 8 + 8*8

// New finds the table in f. It reads f later too.
func New(f *elf.File) (*Table, error) {
	mem := memory{f}
	h, err := findHeader(mem)
	if err != nil {
		return nil, err
	}
	t := &Table{mem: mem, header: h, text: h.textStart}
	if m, ok := findModule(mem, h); ok {
		t.text, t.gofunc, t.module = m.text, m.gofunc, m.addr
	}
	if s := f.Section(".text"); t.text == 0 && s != nil {
		t.text = s.Addr
	}
	if t.text == 0 {
		return nil, errors.New("finding the start of Go text: no module data")
	}
	return t, nil
}

// decodeHeader checks and decodes the header at addr.
func decodeHeader(mem memory, addr uint64) (header, error) {
	var b [headerSize]byte
	if err := mem.read(addr, b[:]); err != nil {
		return header{}, fmt.Errorf("reading the pclntab header: %w", err)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	h := header{
		addr: addr, magic: binary.LittleEndian.Uint32(b[:]), quantum: uint64(b[6]),
		nfunc: word(0), textStart: word(2),
		funcnames: addr + word(3), cus: addr + word(4), files: addr + word(5), pctab: addr + word(6), pcln: addr + word(7),
	}
	known := h.magic == magic118 || h.magic == magic120
	sorted := addr < h.funcnames && h.funcnames <= h.cus && h.cus <= h.files && h.files <= h.pctab && h.pctab <= h.pcln
	if !known || b[4] != 0 || b[5] != 0 || b[7] != 8 || h.quantum == 0 || h.quantum > 4 || !sorted ||
		h.nfunc == 0 || h.nfunc > 1<<24 || h.pcln-addr > 1<<32 {
		return header{}, errors.New("decoding the pclntab header: not one of a known Go version")
	}
	return h, nil
}

// Lookup returns the activations at pc, innermost first; pc is inside the
// call instruction, not after it. It reports false when pc is not in Go code.
func (t *Table) Lookup(pc uint64) ([]Call, bool) {
	if pc < t.text || pc-t.text > 1<<32-1 {
		return nil, false
	}
	f, ok := t.find(uint32(pc - t.text))
	if !ok {
		return nil, false
	}
	calls := t.inlined(&f, &pc)
	name, err := t.name(f.nameOff)
	if err != nil {
		return nil, false
	}
	file, line := t.position(&f, pc)
	return append(calls, Call{Function: name, File: file, Line: line}), true
}

// Module returns the address of the program's runtime.moduledata. It reports false
// when it was not found.
func (t *Table) Module() (uint64, bool) { return t.module, t.module != 0 }

// Frame is how the stack of a function looks where it executes.
type Frame struct {
	// Entry is the function's first address.
	Entry uint64
	// Delta is by how many bytes the stack pointer is below what it was at Entry.
	Delta uint64
	// Top says that the function has no caller: it is the root of its stack.
	Top bool
}

// topFrame is the flag of functions without a caller (abi.FuncFlagTopFrame).
const topFrame = 1

// maxDelta bounds frames: the largest that Go makes is far below.
const maxDelta = 1 << 30

// Frame returns how to get from a frame to its caller's: pc is where it executes
// or, in a caller, where its call returns to. It reports false when pc is not in Go
// code, and for tables of before Go 1.20.
func (t *Table) Frame(pc uint64) (Frame, bool) {
	if t.header.magic != magic120 || pc < t.text || pc-t.text > 1<<32-1 {
		return Frame{}, false
	}
	f, ok := t.find(uint32(pc - t.text))
	if !ok {
		return Frame{}, false
	}
	delta := t.pcvalue(&f, f.pcsp, pc)
	if delta < 0 || delta > maxDelta {
		return Frame{}, false
	}
	return Frame{Entry: f.entry, Delta: uint64(delta), Top: f.flags&topFrame != 0}, true
}

// find searches functab, whose entries are an offset in text and one in pcln,
// and which ends with the offset where text ends.
func (t *Table) find(off uint32) (function, bool) {
	var failed error
	entry := func(i int) (textOff, funcOff uint32) {
		var b [8]byte
		if err := t.mem.read(t.header.pcln+8*uint64(i), b[:4+4*min(1, int(t.header.nfunc)-i)]); err != nil {
			failed = err
		}
		return binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])
	}
	n := int(t.header.nfunc)
	i := sort.Search(n+1, func(i int) bool { start, _ := entry(i); return start > off }) - 1
	if i < 0 || i >= n || failed != nil {
		return function{}, false
	}
	_, funcOff := entry(i)
	f, err := t.function(t.header.pcln + uint64(funcOff))
	return f, err == nil && failed == nil && f.entry <= t.text+uint64(off)
}

// name reads a function name. Generic functions are compiled per shape of
// their type arguments; like the runtime's own tracebacks, print "[...]".
func (t *Table) name(off uint32) (string, error) {
	name, err := t.mem.cstring(t.header.funcnames + uint64(off))
	if err != nil || name == "" {
		return "", fmt.Errorf("reading a Go function name: %w", err)
	}
	if i, j := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']'); i >= 0 && j > i {
		name = name[:i] + "[...]" + name[j+1:]
	}
	return name, nil
}

// Entry returns the address of a function by name. It looks at every function.
func (t *Table) Entry(name string) (uint64, bool) {
	for i := range t.header.nfunc {
		var b [8]byte
		if err := t.mem.read(t.header.pcln+8*i, b[:]); err != nil {
			return 0, false
		}
		f, err := t.function(t.header.pcln + uint64(binary.LittleEndian.Uint32(b[4:])))
		if err != nil {
			return 0, false
		}
		if got, err := t.name(f.nameOff); err == nil && got == name {
			return f.entry, true
		}
	}
	return 0, false
}
