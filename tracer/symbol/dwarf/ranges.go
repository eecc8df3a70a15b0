package dwarf

// maxSteps bounds the ranges and names that parsing a unit, or one lookup in
// it, looks at: entries of a corrupt unit may all refer to one long list.
const maxSteps = 4 << 20

// spend takes a step.
func (u *unit) spend() bool {
	u.steps++
	return u.steps <= maxSteps
}

// discarded tells the addresses that linkers give to functions they left out.
func discarded(lo uint64) bool { return lo == 0 || lo >= 1<<64-2 }

// eachRange calls fn with the non-empty address ranges of e until it returns
// false. Errors end the list.
func (u *unit) eachRange(e *die, fn func(lo, hi uint64) bool) {
	emit := func(lo, hi uint64) bool {
		return discarded(lo) || lo >= hi || fn(lo, hi)
	}
	if e.ranges.present() {
		if u.version < 5 {
			u.ranges4(e.ranges.u, emit)
		} else {
			u.ranges5(e.ranges, emit)
		}
		return
	}
	if !e.lowPC.present() || !e.highPC.present() {
		return
	}
	lo, err := u.address(e.lowPC)
	if err != nil {
		return
	}
	hi, err := u.address(e.highPC)
	if err != nil { // not an address but a length
		hi = lo + e.highPC.u
	}
	emit(lo, hi)
}

// covers says whether pc is in e. An entry without addresses covers nothing.
func (u *unit) covers(e *die, pc uint64) (yes bool) {
	u.eachRange(e, func(lo, hi uint64) bool {
		yes = pc >= lo && pc < hi
		return !yes
	})
	return yes
}

// ranges4 reads a list of .debug_ranges: pairs relative to a base.
func (u *unit) ranges4(off uint64, emit func(lo, hi uint64) bool) {
	base := u.lowPC
	c := &reader{s: u.d.ranges, off: off}
	for u.spend() {
		lo, hi := c.uint(8), c.uint(8)
		switch {
		case c.failed || lo == 0 && hi == 0:
			return
		case lo == 1<<64-1:
			base = hi
		case !emit(base+lo, base+hi):
			return
		}
	}
}

// ranges5 reads a list of .debug_rnglists.
func (u *unit) ranges5(v value, emit func(lo, hi uint64) bool) {
	off := v.u
	if v.form == formRnglistx {
		size := 4
		if u.wide {
			size = 8
		}
		table := u.root.rnglistsBase.u
		entry, err := u.d.rnglists.word(table+uint64(size)*v.u, size)
		if err != nil {
			return
		}
		off = table + entry
	}
	base := u.lowPC
	c := &reader{s: u.d.rnglists, off: off}
	indexed := func() uint64 {
		a, err := u.address(value{form: formAddrx, u: c.uleb()})
		c.failed = c.failed || err != nil
		return a
	}
	for u.spend() {
		var lo, hi uint64
		switch kind := c.uint(1); kind {
		case 1: // DW_RLE_base_addressx
			base = indexed()
			continue
		case 2: // DW_RLE_startx_endx
			lo = indexed()
			hi = indexed()
		case 3: // DW_RLE_startx_length
			lo = indexed()
			hi = lo + c.uleb()
		case 4: // DW_RLE_offset_pair
			lo = base + c.uleb()
			hi = base + c.uleb()
		case 5: // DW_RLE_base_address
			base = c.uint(8)
			continue
		case 6: // DW_RLE_start_end
			lo, hi = c.uint(8), c.uint(8)
		case 7: // DW_RLE_start_length
			lo = c.uint(8)
			hi = lo + c.uleb()
		default: // DW_RLE_end_of_list, or unknown
			return
		}
		if c.failed || !emit(lo, hi) {
			return
		}
	}
}

// reader decodes a section of which it is not known how much will be needed.
type reader struct {
	s      section
	off    uint64
	c      cursor
	failed bool
}

// want makes n bytes available, if there are as many.
func (r *reader) want(n int) *cursor {
	if have := len(r.c.b) - r.c.off; have < n && !r.failed {
		b, err := r.s.upTo(r.off-uint64(have), 512)
		r.failed = err != nil
		r.off += uint64(len(b) - min(have, len(b)))
		r.c = cursor{b: b}
	}
	return &r.c
}

func (r *reader) uint(n int) uint64 {
	v := r.want(n).uint(n)
	r.failed = r.failed || r.c.err != nil
	return v
}

func (r *reader) uleb() uint64 {
	v := r.want(10).uleb()
	r.failed = r.failed || r.c.err != nil
	return v
}
