package symbol

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Bounds of the work for one file and of what is kept of it.
const (
	maxDebugBytes = 512 << 20 // of sections
	maxSpans      = 4 << 20
	maxUnitBytes  = 32 << 20 // of cached units, unless one alone is larger
	maxLookup     = 3 * time.Second
	maxSlow       = 4 // lookups that take longer before DWARF is given up
)

// debugInfo tells which functions, inlined ones included, were executing at an
// address, and where in the source. It is not safe for concurrent use.
type debugInfo struct {
	data    *dwarf.Data
	line    []byte         // .debug_line, and
	longest int            // the longest string of .debug_line_str, for checkLines
	roots   []dwarf.Offset // the units' first entries, ascending
	index   []span         // what the units cover, by lo
	cached  []*unit        // least recently used first

	deadline time.Time // of this lookup
	slow     int       // lookups that did not meet theirs
}

// span is a range of addresses of the entry at off.
type span struct {
	lo, hi uint64
	off    dwarf.Offset
}

// call is one function activation.
type call struct {
	// name is the linkage name when there is one, else the qualified source
	// name; empty when it is in a file that dwz made.
	name string
	file string
	line int
	// inlined says that the function's code is part of the next call's.
	inlined bool
}

// debugSections reads the sections that are needed.
//
// They are read into memory and not mapped. Pages of a mapped file can be
// truncated or changed by the traced process after they were checked, and when
// they come from a file system that does not answer, the page fault stops all
// goroutines and not just this one.
func debugSections(e *elf.File) (map[string][]byte, error) {
	sections := map[string][]byte{}
	left := uint64(maxDebugBytes)
	for name, most := range map[string]uint64{
		// debug/dwarf decodes these into many times their size.
		".debug_abbrev": 16 << 20, ".debug_ranges": 32 << 20, ".debug_rnglists": 32 << 20,
		".debug_info": left, ".debug_line": left, ".debug_str": left, ".debug_line_str": left,
		".debug_addr": left, ".debug_str_offsets": left,
	} {
		s := e.Section(name)
		if s == nil || s.Type == elf.SHT_NOBITS {
			continue
		}
		if s.Size > min(left, most) {
			return nil, fmt.Errorf("reading %s: its %d bytes are more than the limit", name, s.Size)
		}
		left -= s.Size
		b, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		sections[name] = b
	}
	return sections, nil
}

// newDebugInfo indexes the units of the sections.
func newDebugInfo(sections map[string][]byte) (*debugInfo, error) {
	info, abbrev, str := sections[".debug_info"], sections[".debug_abbrev"], sections[".debug_str"]
	roots, err := checkUnits(info, abbrev)
	if err != nil {
		return nil, err
	}
	d := &debugInfo{line: sections[".debug_line"], longest: longestString(sections[".debug_line_str"]), roots: roots}
	if max(d.longest, longestString(str)) > maxString {
		return nil, errHostile
	}
	if d.data, err = dwarf.New(abbrev, nil, nil, info, d.line, nil, sections[".debug_ranges"], str); err != nil {
		return nil, fmt.Errorf("parsing debug information: %w", err)
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_rnglists", ".debug_str_offsets"} {
		if err := d.data.AddSection(name, sections[name]); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", name, err)
		}
	}
	d.buildIndex()
	return d, nil
}

// buildIndex finds the addresses of every unit. One that cannot be parsed is
// left out.
func (d *debugInfo) buildIndex() {
	d.deadline = time.Now().Add(maxLookup)
	r := d.data.Reader()
	for _, off := range d.roots {
		if len(d.index) > maxSpans || d.late() {
			break
		}
		r.Seek(off)
		if e, err := r.Next(); err == nil && e != nil {
			d.index = append(d.index, d.ranges(e)...)
		}
	}
	slices.SortStableFunc(d.index, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	d.index = slices.Clip(d.index)
}

func (d *debugInfo) late() bool { return time.Now().After(d.deadline) }

// ranges returns the addresses of e. It leaves out what linkers make of the
// addresses of functions that they discarded.
func (d *debugInfo) ranges(e *dwarf.Entry) (spans []span) {
	pairs, err := d.data.Ranges(e)
	if err != nil {
		return nil
	}
	for _, p := range pairs {
		if p[0] != 0 && p[0] < 1<<64-2 && p[0] < p[1] {
			spans = append(spans, span{p[0], p[1], e.Offset})
		}
	}
	return spans
}

// lookup returns the activations at pc, innermost first; pc is inside the call
// instruction, not after it. It returns nil when pc is not covered.
func (d *debugInfo) lookup(pc uint64) (fallback []call) {
	if d.slow >= maxSlow {
		return nil
	}
	d.deadline = time.Now().Add(maxLookup)
	defer func() {
		if d.late() {
			d.slow++
		}
	}()
	for _, root := range d.unitsAt(pc) {
		calls, exact := d.unit(root).lookup(pc)
		if exact {
			return calls
		}
		if fallback == nil {
			fallback = calls
		}
	}
	return fallback
}

// unitsAt returns units that have code at pc: more than one only when the
// linker folded or discarded functions.
func (d *debugInfo) unitsAt(pc uint64) (roots []dwarf.Offset) {
	const overlap, tries = 8, 256
	next := sort.Search(len(d.index), func(i int) bool { return d.index[i].lo > pc })
	for i := next - 1; i >= max(0, next-tries) && len(roots) < overlap; i-- {
		if s := d.index[i]; pc < s.hi && !slices.Contains(roots, s.off) {
			roots = append(roots, s.off)
		}
	}
	return roots
}

// unit parses the unit with that first entry, or takes it from the cache.
func (d *debugInfo) unit(root dwarf.Offset) *unit {
	if i := slices.IndexFunc(d.cached, func(u *unit) bool { return u.root == root }); i >= 0 {
		u := d.cached[i]
		d.cached = append(slices.Delete(d.cached, i, i+1), u)
		return u
	}
	u := d.parse(root)
	size := u.bytes()
	for _, c := range d.cached {
		size += c.bytes()
	}
	for ; len(d.cached) > 0 && size > maxUnitBytes; d.cached = slices.Delete(d.cached, 0, 1) {
		size -= d.cached[0].bytes()
	}
	d.cached = append(d.cached, u)
	return u
}

// unitOf returns the unit that has the entry at off.
func (d *debugInfo) unitOf(off dwarf.Offset) *unit {
	i, found := slices.BinarySearch(d.roots, off)
	if !found {
		i--
	}
	return d.unit(d.roots[max(i, 0)])
}
