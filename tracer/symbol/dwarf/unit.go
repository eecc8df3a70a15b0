package dwarf

import (
	"errors"
	"fmt"
)

// maxUnit is the largest unit that is parsed. A unit is read as a whole.
const maxUnit = 128 << 20

// unitHeader is the fixed part of a unit in .debug_info.
type unitHeader struct {
	format
	off, end uint64 // in the section
	kind     uint8
	abbrev   uint64
	first    uint64 // offset of the first DIE from off
}

// Unit types (DWARF 5, section 7.5.1).
const (
	unitCompile  = 1
	unitType     = 2
	unitPartial  = 3
	unitSkeleton = 4
	unitSplit    = 5
	unitSplitTyp = 6
)

// parseHeader decodes the header at the start of b, which is at off in a
// section of size bytes.
func parseHeader(b []byte, off, size uint64) (unitHeader, error) {
	c := &cursor{b: b}
	length, wide := c.length()
	start := uint64(c.off)
	if c.err != nil || length > size-off || start+length > size-off {
		return unitHeader{}, errShort
	}
	h := unitHeader{off: off, end: off + start + length, kind: unitCompile}
	h.wide, h.version = wide, c.u16()
	var addrSize uint8
	switch {
	case h.version >= 2 && h.version <= 4:
		h.abbrev = c.offset(wide)
		addrSize = c.u8()
	case h.version == 5:
		h.kind, addrSize = c.u8(), c.u8()
		h.abbrev = c.offset(wide)
		switch h.kind {
		case unitSkeleton, unitSplit:
			c.u64()
		case unitType, unitSplitTyp:
			c.u64()
			c.offset(wide)
		}
	default:
		return h, fmt.Errorf("DWARF version %d is not known", h.version)
	}
	if addrSize != 8 && c.err == nil {
		return h, errors.New("addresses are not 8 bytes wide")
	}
	h.first = uint64(c.off)
	return h, c.err
}

// Attributes and tags that are looked at (DWARF 5, sections 7.5.3 and 7.5.4).
const (
	atName           = 0x03
	atStmtList       = 0x10
	atLowPC          = 0x11
	atHighPC         = 0x12
	atCompDir        = 0x1b
	atAbstractOrigin = 0x31
	atSpecification  = 0x47
	atRanges         = 0x55
	atCallFile       = 0x58
	atCallLine       = 0x59
	atLinkageName    = 0x6e
	atStrOffsetsBase = 0x72
	atAddrBase       = 0x73
	atRnglistsBase   = 0x74
	atMIPSLinkage    = 0x2007
	atGNUAddrBase    = 0x2133

	tagClass      = 0x02
	tagEnum       = 0x04
	tagStructure  = 0x13
	tagUnion      = 0x17
	tagInlined    = 0x1d
	tagSubprogram = 0x2e
	tagNamespace  = 0x39
)

// die is the part of a debugging information entry that is looked at.
type die struct {
	off      uint64 // from the start of the unit
	tag      uint16 // 0 ends a list of children
	children bool

	name, linkage, origin, specification value
	lowPC, highPC, ranges                value
	callFile, callLine                   value
}

// root is what only a unit's first DIE has.
type root struct {
	compDir, stmtList               value
	strBase, addrBase, rnglistsBase value
	die
}

// unit is a unit whose bytes are in memory.
type unit struct {
	unitHeader
	d       *Data
	b       []byte // from the header on
	abbrevs abbrevs
	root    root
	lowPC   uint64
	steps   int
	lines   *lineHeader

	// Filled in by walk.
	funcs  []span
	scopes []scope
}

// span is a range of addresses of what is at off.
type span struct{ lo, hi, off uint64 }

// scope is the extent of a named DIE's children.
type scope struct{ start, end uint64 }

// next reads the DIE at the cursor.
func (u *unit) next(c *cursor) die {
	e := die{off: uint64(c.off)}
	u.attrs(c, &e, nil)
	return e
}

func (u *unit) attrs(c *cursor, e *die, r *root) {
	code := c.uleb()
	if code == 0 || c.err != nil {
		return
	}
	a := u.abbrevs.get(code)
	if a == nil {
		c.err = fmt.Errorf("abbreviation %d is not in the table", code)
		return
	}
	e.tag, e.children = a.tag, a.children
	for i := range a.attrs {
		v := u.value(c, a.attrs[i].form, a.attrs[i].implicit)
		if !e.set(a.attrs[i].name, v) && r != nil {
			r.set(a.attrs[i].name, v)
		}
	}
}

func (e *die) set(name uint16, v value) bool {
	switch name {
	case atName:
		e.name = v
	case atLinkageName, atMIPSLinkage:
		e.linkage = v
	case atAbstractOrigin:
		e.origin = v
	case atSpecification:
		e.specification = v
	case atLowPC:
		e.lowPC = v
	case atHighPC:
		e.highPC = v
	case atRanges:
		e.ranges = v
	case atCallFile:
		e.callFile = v
	case atCallLine:
		e.callLine = v
	default:
		return false
	}
	return true
}

func (r *root) set(name uint16, v value) {
	switch name {
	case atCompDir:
		r.compDir = v
	case atStmtList:
		r.stmtList = v
	case atStrOffsetsBase:
		r.strBase = v
	case atAddrBase, atGNUAddrBase:
		r.addrBase = v
	case atRnglistsBase:
		r.rnglistsBase = v
	}
}

// readRoot parses the unit's first DIE.
func (u *unit) readRoot() (*cursor, error) {
	c := &cursor{b: u.b}
	c.take(u.first)
	u.root.off = u.first
	u.attrs(c, &u.root.die, &u.root)
	if c.err != nil {
		return nil, c.err
	}
	if u.root.lowPC.present() {
		u.lowPC, _ = u.address(u.root.lowPC)
	}
	return c, nil
}

// address decodes an attribute of class address.
func (u *unit) address(v value) (uint64, error) {
	switch v.form {
	case formAddr:
		return v.u, nil
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return u.d.addr.word(u.root.addrBase.u+8*v.u, 8)
	}
	return 0, errors.New("an address has an unknown form")
}

// text decodes an attribute of class string; "" when it cannot.
func (u *unit) text(v value) string {
	var s string
	switch v.form {
	case formString:
		return string(v.text)
	case formStrp:
		s, _ = u.d.str.cstring(v.u)
	case formLineStrp:
		s, _ = u.d.lineStr.cstring(v.u)
	case formStrpSup, formGNUStrpAlt:
		if u.d.alt != nil {
			s, _ = u.d.alt.str.cstring(v.u)
		}
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		size := uint64(4)
		if u.wide {
			size = 8
		}
		if off, err := u.d.strOffsets.word(u.root.strBase.u+size*v.u, int(size)); err == nil {
			s, _ = u.d.str.cstring(off)
		}
	}
	return s
}
