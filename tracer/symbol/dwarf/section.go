package dwarf

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
)

// maxInflated is how much of a file's compressed sections is kept in memory;
// uncompressed ones are read in place.
const maxInflated = 256 << 20

// section is the random-access content of one ELF section; the zero value is
// an empty one.
type section struct {
	r    io.ReaderAt
	size uint64
}

// open returns the section of f of that name. Compressed ones are inflated and
// taken off the budget.
func open(f *elf.File, name string, budget *int64) (section, error) {
	s := f.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS {
		return section{}, nil
	}
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		return section{s, s.FileSize}, nil
	}
	if s.Size > uint64(*budget) {
		return section{}, fmt.Errorf("inflating %s: its %d bytes are more than the limit", name, s.Size)
	}
	b, err := io.ReadAll(io.LimitReader(s.Open(), int64(s.Size)))
	if err != nil {
		return section{}, fmt.Errorf("inflating %s: %w", name, err)
	}
	*budget -= int64(len(b))
	return section{bytes.NewReader(b), uint64(len(b))}, nil
}

// read returns n bytes at off, all of them.
func (s section) read(off, n uint64) ([]byte, error) {
	if off > s.size || n > s.size-off {
		return nil, errShort
	}
	b := make([]byte, n)
	if _, err := s.r.ReadAt(b, int64(off)); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// upTo is read of n bytes or however many there are.
func (s section) upTo(off, n uint64) ([]byte, error) {
	if off >= s.size {
		return nil, errShort
	}
	return s.read(off, min(n, s.size-off))
}

// maxString bounds a name; template-heavy C++ has mangled names of many KiB.
const maxString = 64 << 10

// cstring returns the string at off.
func (s section) cstring(off uint64) (string, error) {
	for n := uint64(256); ; n *= 16 {
		b, err := s.upTo(off, n)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(b, 0); end >= 0 {
			return string(b[:end]), nil
		}
		if uint64(len(b)) < n || n >= maxString {
			return "", errShort
		}
	}
}

// word returns the size-byte integer at off.
func (s section) word(off uint64, size int) (uint64, error) {
	b, err := s.read(off, uint64(size))
	c := cursor{b: b, err: err}
	v := c.uint(size)
	return v, c.err
}
