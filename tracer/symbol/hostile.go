package symbol

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
	"errors"
	"io"
)

// debug/dwarf is not made for hostile files: it believes counts, and what it
// does in one call cannot be interrupted, nor can recover catch running out of
// memory. What is here rejects such files before debug/dwarf sees them. Only
// sizes are checked: nothing is interpreted.
const (
	maxUnits  = 1 << 18
	maxUnit   = 128 << 20
	maxAttrs  = 256
	maxString = 256 << 10
	maxNames  = 256 << 20 // of the files of one unit, with their directories
	tinyUnit  = 4 << 10
)

// Attribute encodings (DWARF 5, section 7.5.6).
const (
	formData2         = 0x05
	formData4         = 0x06
	formData8         = 0x07
	formString        = 0x08
	formBlock         = 0x09
	formData1         = 0x0b
	formUdata         = 0x0f
	formData16        = 0x1e
	formLineStrp      = 0x1f
	formImplicitConst = 0x21
)

var errHostile = errors.New("the debug information is corrupt or too large")

// checkUnits checks the headers of the units and the abbreviation tables that
// they refer to. It returns the offset of each unit's first entry.
func checkUnits(info, abbrev []byte) (roots []dwarf.Offset, err error) {
	checked := map[uint64]bool{}
	budget := len(abbrev) // tables do not overlap
	for off := 0; off < len(info); {
		unit, word, ok := initialLength(info[off:])
		if !ok || len(unit) < 4+word || len(unit) > maxUnit || len(roots) == maxUnits {
			return nil, errHostile
		}
		// A number at the end that does not end is searched for its end
		// again and again.
		if len(unit) > tinyUnit && unit[len(unit)-1] >= 0x80 {
			return nil, errHostile
		}
		start := off + 3*word - 8 // the length is 4 bytes or 12
		off = start + len(unit)
		table, first := 2, 3+word // the version is before, the size of addresses after
		if unit[0] >= 5 {
			table, first = 4, 4+word
			switch unit[2] {
			case 2, 6: // type units: a signature and an offset
				first += 8 + word
			case 4, 5: // split units: an id
				first += 8
			}
		}
		roots = append(roots, dwarf.Offset(start+first))
		at := offset(unit[table:], word)
		if checked[at] {
			continue
		}
		checked[at] = true
		if at > uint64(len(abbrev)) {
			return nil, errHostile
		}
		n, err := abbrevSize(abbrev[at:])
		if budget -= n; err != nil || budget < 0 {
			return nil, errHostile
		}
	}
	return roots, nil
}

// initialLength splits off the unit at the start of b. A word is the size of
// offsets in it.
func initialLength(b []byte) (unit []byte, word int, ok bool) {
	if len(b) < 12 {
		return nil, 4, false
	}
	n, b, word := uint64(binary.LittleEndian.Uint32(b)), b[4:], 4
	if n == 0xffffffff {
		n, b, word = binary.LittleEndian.Uint64(b), b[8:], 8
	}
	if n > uint64(len(b)) {
		return nil, word, false
	}
	return b[:n], word, true
}

func offset(b []byte, word int) uint64 {
	if word == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// abbrevSize returns the size of the abbreviation table at the start of b.
func abbrevSize(b []byte) (n int, err error) {
	r := bytes.NewReader(b)
	next := func() uint64 {
		v, e := binary.ReadUvarint(r)
		err = errors.Join(err, e)
		return v
	}
	for next() != 0 && err == nil {
		next()               // tag
		_, e := r.ReadByte() // whether it has children
		err = errors.Join(err, e)
		for n := 0; err == nil; n++ {
			attr, form := next(), next()
			if attr == 0 && form == 0 {
				break
			}
			if uint32(form) == formImplicitConst {
				// It is signed, so that it may be too large for next.
				err = errors.Join(err, skipUntil(r, func(c byte) bool { return c < 0x80 }))
			}
			if n == maxAttrs {
				return 0, errHostile
			}
		}
	}
	return len(b) - r.Len(), err
}

// longestString returns the length of the longest string of a section.
func longestString(b []byte) (longest int) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, 0)
		if n < 0 {
			n = len(b) - 1
		}
		longest, b = max(longest, n), b[n+1:]
	}
	return longest
}

// checkLines checks the line program at off. The compilation's directory and
// the longest string of .debug_line_str have these lengths.
func checkLines(line []byte, off int64, dir, longest int) error {
	if off < 0 || off >= int64(len(line)) {
		return errHostile
	}
	b, word, ok := initialLength(line[off:])
	const rest = 6 // fixed fields after the length of the header
	if !ok || len(b) < 4+word+rest || b[len(b)-1] >= 0x80 {
		return errHostile
	}
	version, b := b[0], b[2:]
	if version >= 5 {
		b = b[2:]
	}
	n := offset(b, word)
	b = b[word:]
	if n > uint64(len(b)) || n < rest {
		return errHostile
	}
	b = b[:n]
	// Every file is joined with its directory.
	if len(b)/2*(2*max(longest, longestString(b))+dir) > maxNames {
		return errHostile
	}
	opcodes := int(b[rest-1])
	if version < 5 || opcodes == 0 || len(b) < rest+opcodes {
		return nil
	}
	r := bytes.NewReader(b[rest-1+opcodes:])
	if err := checkNames(r, word); err != nil { // directories
		return err
	}
	return checkNames(r, word) // files
}

// checkNames steps over a table of DWARF 5 directories or files: it has a
// description of the columns, a count and as many rows.
func checkNames(r *bytes.Reader, word int) error {
	columns, err := r.ReadByte()
	if err != nil {
		return err
	}
	forms := make([]uint64, columns)
	for i := range forms {
		_, err1 := binary.ReadUvarint(r) // what is in the column
		form, err2 := binary.ReadUvarint(r)
		if forms[i] = form; err1 != nil || err2 != nil {
			return errHostile
		}
	}
	count, err := binary.ReadUvarint(r)
	if err != nil || count > uint64(r.Len()) {
		return errHostile
	}
	for range count {
		for _, form := range forms {
			if err := skipForm(r, form, word); err != nil {
				return err
			}
		}
	}
	return nil
}

func skipForm(r *bytes.Reader, form uint64, word int) error {
	n := uint64(0)
	switch form {
	case formString:
		return skipUntil(r, func(c byte) bool { return c == 0 })
	case formUdata:
		_, err := binary.ReadUvarint(r)
		return err
	case formBlock:
		n, _ = binary.ReadUvarint(r)
	case formData1:
		n = 1
	case formData2:
		n = 2
	case formData4:
		n = 4
	case formData8:
		n = 8
	case formData16:
		n = 16
	case formLineStrp:
		n = uint64(word)
	default:
		return errHostile
	}
	if n > uint64(r.Len()) {
		return errHostile
	}
	_, err := r.Seek(int64(n), io.SeekCurrent)
	return err
}

// skipUntil steps over the next byte that is a last one.
func skipUntil(r *bytes.Reader, last func(byte) bool) error {
	for {
		if c, err := r.ReadByte(); err != nil || last(c) {
			return err
		}
	}
}
