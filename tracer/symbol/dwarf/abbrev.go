package dwarf

import "errors"

// Bounds of an abbreviation table. Real ones have a few hundred entries of
// some ten attributes; with link-time optimisation, a few thousand.
const (
	maxAttrs      = 256
	maxTableAttrs = 1 << 18
	maxAbbrevCode = 1 << 16
	// maxRootAbbrevs is how much is searched for the shape of a first DIE.
	maxRootAbbrevs = 256 << 10
)

// attr says where in a DIE an attribute is and how it is encoded.
type attr struct {
	name, form uint16
	implicit   int64
}

// abbrev is the shape of a DIE.
type abbrev struct {
	tag      uint16
	children bool
	attrs    []attr
}

// abbrevs is indexed by code, which compilers number from 1.
type abbrevs []abbrev

// get returns the shape with that code, or nil.
func (t abbrevs) get(code uint64) *abbrev {
	if code >= uint64(len(t)) || t[code].tag == 0 {
		return nil
	}
	return &t[code]
}

// readAbbrevs parses the table at off. With only != 0 it stops after that code,
// which for the first DIE of a unit is almost always the first one.
func readAbbrevs(s section, off, only uint64) (abbrevs, error) {
	for n := uint64(4 << 10); ; n *= 8 {
		b, err := s.upTo(off, n)
		if err != nil {
			return nil, err
		}
		t, err := parseAbbrevs(&cursor{b: b}, only)
		if err != errShort || uint64(len(b)) < n || n > 8<<20 || only != 0 && n >= maxRootAbbrevs {
			return t, err
		}
	}
}

func parseAbbrevs(c *cursor, only uint64) (abbrevs, error) {
	var t abbrevs
	for total := 0; ; {
		code := c.uleb()
		if code == 0 || c.err != nil {
			return t, c.err
		}
		a := abbrev{tag: uint16(c.uleb()), children: c.u8() != 0}
		for c.err == nil {
			x := attr{name: uint16(c.uleb()), form: uint16(c.uleb())}
			if x.form == formImplicitConst {
				x.implicit = c.sleb()
			}
			if x.name == 0 && x.form == 0 {
				break
			}
			a.attrs = append(a.attrs, x)
			if total++; len(a.attrs) > maxAttrs || total > maxTableAttrs {
				return nil, errors.New("an abbreviation table is too large")
			}
		}
		if code > maxAbbrevCode {
			return nil, errors.New("an abbreviation code is too large")
		}
		for uint64(len(t)) <= code {
			t = append(t, abbrev{})
		}
		if t[code] = a; code == only && c.err == nil {
			return t, nil
		}
	}
}
