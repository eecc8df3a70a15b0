// Package dwarf answers one question of DWARF 2 to 5: which functions, inlined
// ones included, were executing at an address, and where in the source. Unlike
// debug/dwarf it reads the sections in place and one compilation unit at a
// time, because debug information of several hundred MiB is common.
package dwarf

import (
	"debug/elf"
	"errors"
	"slices"
	"sort"
)

// Bounds of what is kept in memory of one file.
const (
	maxUnits     = 1 << 18
	maxSpans     = 4 << 20
	maxUnitBytes = 32 << 20 // of cached units, unless one alone is larger
)

// Call is one function activation at an address.
type Call struct {
	// Name is the linkage name when there is one, else the qualified source
	// name; empty when it is in a file that was not found.
	Name string
	File string
	Line int
	// Inlined says that the function's code is part of the next Call's.
	Inlined bool
}

// Data is the debug information of one file. It is not safe for concurrent use.
type Data struct {
	info, abbrev, str, lineStr, line, ranges, rnglists, addr, strOffsets section

	// alt is the supplementary file that dwz moved common parts to.
	alt *Data

	units  []uint64 // offsets, ascending
	index  []unitSpan
	cached []*unit // least recently used first
	broken map[uint64]bool
}

// unitSpan says that the unit that is units[unit] has code at [lo, hi).
type unitSpan struct {
	lo, hi uint64
	unit   uint32
}

// New indexes the units of f. It reads f later too. alt may be nil.
func New(f *elf.File, alt *Data) (*Data, error) {
	d := &Data{alt: alt, broken: map[uint64]bool{}}
	budget := int64(maxInflated)
	for name, s := range map[string]*section{
		".debug_info": &d.info, ".debug_abbrev": &d.abbrev, ".debug_str": &d.str,
		".debug_line_str": &d.lineStr, ".debug_line": &d.line, ".debug_ranges": &d.ranges,
		".debug_rnglists": &d.rnglists, ".debug_addr": &d.addr, ".debug_str_offsets": &d.strOffsets,
	} {
		var err error
		if *s, err = open(f, name, &budget); err != nil {
			return nil, err
		}
	}
	if d.info.size == 0 {
		return nil, errors.New("finding debug information: there is none")
	}
	d.buildIndex()
	return d, nil
}

// Lookup returns the activations at pc, innermost first; pc is inside the
// call instruction, not after it. It returns nil when pc is not covered.
func (d *Data) Lookup(pc uint64) []Call {
	var fallback []Call
	for _, off := range d.unitsAt(pc) {
		u, err := d.load(off)
		if err != nil {
			continue
		}
		calls, exact := u.lookup(pc)
		if exact {
			return calls
		}
		if fallback == nil {
			fallback = calls
		}
	}
	return fallback
}

// maxOverlap is how many units are tried for one address. More than one has
// it only when the linker folded or discarded functions.
const maxOverlap = 8

// unitsAt returns the offsets of units that have code at pc.
func (d *Data) unitsAt(pc uint64) []uint64 {
	var offs []uint64
	i := sort.Search(len(d.index), func(i int) bool { return d.index[i].lo > pc }) - 1
	for tries := 0; i >= 0 && tries < 256 && len(offs) < maxOverlap; i, tries = i-1, tries+1 {
		off := d.units[d.index[i].unit]
		if pc < d.index[i].hi && !slices.Contains(offs, off) {
			offs = append(offs, off)
		}
	}
	return offs
}

// load returns the unit at off, from the cache when it is there.
func (d *Data) load(off uint64) (*unit, error) {
	if i := slices.IndexFunc(d.cached, func(u *unit) bool { return u.off == off }); i >= 0 {
		u := d.cached[i]
		d.cached = append(slices.Delete(d.cached, i, i+1), u)
		return u, nil
	}
	if d.broken[off] {
		return nil, errors.New("the unit is broken")
	}
	u, err := d.parse(off)
	if err != nil {
		d.broken[off] = true
		return nil, err
	}
	size := u.bytes()
	for _, c := range d.cached {
		size += c.bytes()
	}
	for len(d.cached) > 0 && size > maxUnitBytes {
		size -= d.cached[0].bytes()
		d.cached = slices.Delete(d.cached, 0, 1)
	}
	d.cached = append(d.cached, u)
	return u, nil
}

// bytes is how much memory u keeps, roughly.
func (u *unit) bytes() int {
	n := len(u.b) + 24*len(u.funcs) + 16*len(u.scopes)
	if u.lines != nil {
		n += len(u.lines.program.b) + 32*len(u.lines.files)
	}
	return n
}

// parse reads and walks the unit at off.
func (d *Data) parse(off uint64) (*unit, error) {
	b, err := d.info.upTo(off, 64)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(b, off, d.info.size)
	if err != nil {
		return nil, err
	}
	if h.end-h.off > maxUnit {
		return nil, errors.New("the unit is too large")
	}
	u := &unit{unitHeader: h, d: d}
	if u.b, err = d.info.read(off, h.end-h.off); err != nil {
		return nil, err
	}
	if u.abbrevs, err = readAbbrevs(d.abbrev, h.abbrev, 0); err != nil {
		return nil, err
	}
	return u, u.walk()
}
