package dwarf

import "slices"

// maxIndexBytes bounds how much is decoded to build the index.
const maxIndexBytes = 1 << 30

// rootWindow is how much of a unit is read to parse its first DIE.
const rootWindow = 4 << 10

// buildIndex parses the first DIE of every unit, which has its addresses. A
// unit that cannot be parsed is left out; the chain of units ends at the first
// bad header.
func (d *Data) buildIndex() {
	work := 0
	var shape abbrevs
	shapeOff, shapeCode := uint64(0), uint64(0)
	for off := uint64(0); off < d.info.size && len(d.units) < maxUnits && work < maxIndexBytes; {
		b, err := d.info.upTo(off, rootWindow)
		if err != nil {
			break
		}
		h, err := parseHeader(b, off, d.info.size)
		if h.end <= off {
			break
		}
		unitOff := off
		off = h.end
		if err != nil {
			continue
		}
		d.units = append(d.units, unitOff)
		if h.kind != unitCompile && h.kind != unitSkeleton || h.first >= uint64(len(b)) {
			continue
		}
		code := (&cursor{b: b, off: int(h.first)}).uleb()
		if shape == nil || shapeOff != h.abbrev || shapeCode != code {
			shape, _ = readAbbrevs(d.abbrev, h.abbrev, code)
			shapeOff, shapeCode = h.abbrev, code
			if work += len(shape) * 64; shape.get(code) == nil {
				work += maxRootAbbrevs
			}
		}
		work += len(b)
		u := &unit{unitHeader: h, d: d, b: b[:min(uint64(len(b)), h.end-h.off)], abbrevs: shape}
		if _, err := u.readRoot(); err == nil {
			work += d.addSpans(u)
		}
	}
	slices.SortStableFunc(d.index, func(a, b unitSpan) int {
		switch {
		case a.lo < b.lo:
			return -1
		case a.lo > b.lo:
			return 1
		}
		return 0
	})
	d.index = slices.Clip(d.index)
}

// addSpans adds the addresses of the unit that was appended last and returns
// how many bytes it decoded.
func (d *Data) addSpans(u *unit) int {
	u.eachRange(&u.root.die, func(lo, hi uint64) bool {
		if len(d.index) < maxSpans {
			d.index = append(d.index, unitSpan{lo, hi, uint32(len(d.units) - 1)})
		}
		return len(d.index) < maxSpans
	})
	return 16 * u.steps
}

// unitOf returns the unit that the DIE at the section offset belongs to.
func (d *Data) unitOf(off uint64) (*unit, error) {
	i, found := slices.BinarySearch(d.units, off)
	if !found {
		i--
	}
	if i < 0 {
		return nil, errShort
	}
	u, err := d.load(d.units[i])
	if err == nil && off >= u.end {
		err = errShort
	}
	return u, err
}
