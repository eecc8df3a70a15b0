package pclntab

import "encoding/binary"

// Indices of the per-function tables, the same since Go 1.20 (internal/abi).
const (
	pcdataInlTreeIndex = 2
	funcdataInlTree    = 3
)

// maxInlineDepth and maxTableBytes bound what a corrupt table can cost: the latter is
// for all tables of a function that one look-up reads. The largest of real functions
// are some 100 KiB.
const (
	maxInlineDepth = 256
	maxTableBytes  = 1 << 22
)

// function is the part of runtime._func that is needed.
type function struct {
	entry      uint64
	nameOff    uint32
	pcsp       uint32
	pcfile     uint32
	pcln       uint32
	cuOffset   uint32
	inlTreePCs uint32 // offset in pctab, 0 for none
	inlTree    uint64 // address, 0 for none
	flags      byte
	left       int // of maxTableBytes
}

// function decodes the _func at addr.
func (t *Table) function(addr uint64) (function, error) {
	var b [44]byte
	if err := t.mem.read(addr, b[:]); err != nil {
		return function{}, err
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	f := function{entry: t.text + uint64(word(0)), nameOff: word(1), pcsp: word(4), pcfile: word(5), pcln: word(6), cuOffset: word(8), flags: b[41], left: maxTableBytes}
	npcdata, nfuncdata := uint64(word(7)), uint64(b[43])
	if t.header.magic != magic120 || t.gofunc == 0 || npcdata <= pcdataInlTreeIndex || nfuncdata <= funcdataInlTree || npcdata > 64 {
		return f, nil
	}
	var pcs, tree [4]byte
	if err := t.mem.read(addr+44+4*pcdataInlTreeIndex, pcs[:]); err != nil {
		return f, nil
	}
	if err := t.mem.read(addr+44+4*(npcdata+funcdataInlTree), tree[:]); err != nil {
		return f, nil
	}
	if off := binary.LittleEndian.Uint32(tree[:]); off != 1<<32-1 {
		f.inlTreePCs, f.inlTree = binary.LittleEndian.Uint32(pcs[:]), t.gofunc+uint64(off)
	}
	return f, nil
}

// inlined returns the activations inlined into f at pc and moves pc to where
// f itself was executing.
func (t *Table) inlined(f *function, pc *uint64) []Call {
	var calls []Call
	for f.inlTree != 0 && len(calls) < maxInlineDepth {
		index := t.pcvalue(f, f.inlTreePCs, *pc)
		if index < 0 {
			break
		}
		// runtime.inlinedCall: funcID, name, parentPc, startLine.
		var b [16]byte
		if err := t.mem.read(f.inlTree+16*uint64(index), b[:]); err != nil {
			break
		}
		name, err := t.name(binary.LittleEndian.Uint32(b[4:]))
		if err != nil {
			break
		}
		file, line := t.position(f, *pc)
		calls = append(calls, Call{Function: name, File: file, Line: line, Inlined: true})
		*pc = f.entry + uint64(binary.LittleEndian.Uint32(b[8:]))
	}
	return calls
}

// position returns the source line of pc in f.
func (t *Table) position(f *function, pc uint64) (string, int) {
	line := t.pcvalue(f, f.pcln, pc)
	index := t.pcvalue(f, f.pcfile, pc)
	if index < 0 || line < 0 {
		return "", 0
	}
	var b [4]byte
	if err := t.mem.read(t.header.cus+4*(uint64(f.cuOffset)+uint64(index)), b[:]); err != nil {
		return "", 0
	}
	off := binary.LittleEndian.Uint32(b[:])
	if off == 1<<32-1 {
		return "", 0
	}
	file, err := t.mem.cstring(t.header.files + uint64(off))
	if err != nil {
		return "", 0
	}
	return file, int(line)
}

// pcvalue runs the delta table at off in pctab, which maps ranges of addresses
// from a function's entry on to values, and returns the value at pc, or -1.
func (t *Table) pcvalue(f *function, off uint32, pc uint64) int32 {
	if off == 0 {
		return -1
	}
	s := stream{mem: t.mem, addr: t.header.pctab + uint64(off), left: f.left}
	defer func() { f.left = s.left }()
	value := int32(-1)
	for at, first := f.entry, true; ; first = false {
		delta := s.varint()
		if s.failed || delta == 0 && !first {
			return -1
		}
		value += int32(-(delta & 1) ^ delta>>1)
		at += uint64(s.varint()) * t.header.quantum
		if s.failed {
			return -1
		}
		if pc < at {
			return value
		}
	}
}
