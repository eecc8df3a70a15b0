package symbol

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sort"
	"strings"
)

// maxSymbols bounds the symbols kept of one table, 16 bytes each.
const maxSymbols = 4 << 20

// symtab is a table of functions. Names stay in the file.
type symtab struct {
	strings *elf.Section
	syms    []sym // by address, then larger ones first
}

// sym is kept small because some programs have millions.
type sym struct {
	addr     uint64
	size     uint32
	nameFlag uint32 // offset of the name, and localFlag
}

const localFlag = 1 << 31

// rawSym is a decoded Elf64_Sym.
type rawSym struct {
	name        uint32
	info        uint8
	section     uint16
	value, size uint64
}

// eachSymbol decodes a symbol table until fn returns false.
func (img *image) eachSymbol(s *elf.Section, fn func(rawSym) bool) {
	const entry = 24
	buf := make([]byte, entry<<11)
	for off := uint64(0); off < s.FileSize; off += uint64(len(buf)) {
		n, _ := s.ReadAt(buf[:min(uint64(len(buf)), s.FileSize-off)], int64(off))
		for b := buf[:n]; len(b) >= entry; b = b[entry:] {
			r := rawSym{
				name: binary.LittleEndian.Uint32(b), info: b[4], section: binary.LittleEndian.Uint16(b[6:]),
				value: binary.LittleEndian.Uint64(b[8:]), size: binary.LittleEndian.Uint64(b[16:]),
			}
			if !fn(r) {
				return
			}
		}
		if n == 0 {
			return
		}
	}
}

// tables returns the symbol table section of that type and its strings.
func (img *image) tables(kind elf.SectionType) (syms, strs *elf.Section) {
	s := img.SectionByType(kind)
	if s == nil || s.ReaderAt == nil || int(s.Link) >= len(img.Sections) {
		return nil, nil
	}
	strs = img.Sections[s.Link]
	if strs.ReaderAt == nil || strs.Type != elf.SHT_STRTAB {
		return nil, nil
	}
	return s, strs
}

// functions reads the functions of .symtab or, failing that, .dynsym, which
// has a part of the same.
func (img *image) functions() *symtab {
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		syms, strs := img.tables(kind)
		if syms == nil {
			continue
		}
		t := &symtab{strings: strs, syms: make([]sym, 0, min(syms.FileSize/24, 1<<16))}
		img.eachSymbol(syms, func(r rawSym) bool {
			if img.isFunction(r) {
				t.add(r)
			}
			return len(t.syms) < maxSymbols
		})
		if len(t.syms) == 0 {
			continue
		}
		slices.SortFunc(t.syms, func(a, b sym) int {
			return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(b.size, a.size), cmp.Compare(a.nameFlag, b.nameFlag))
		})
		t.syms = slices.Clip(t.syms)
		return t
	}
	return nil
}

// isFunction accepts functions, and code without a type: assembly often has
// labels only.
func (img *image) isFunction(r rawSym) bool {
	if r.section == uint16(elf.SHN_UNDEF) || r.name == 0 || r.name >= localFlag {
		return false
	}
	switch elf.ST_TYPE(r.info) {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
		return true
	case elf.STT_NOTYPE:
		return r.section < uint16(elf.SHN_LORESERVE) && img.executable(r.value)
	}
	return false
}

func (t *symtab) add(r rawSym) {
	s := sym{addr: r.value, size: uint32(min(r.size, 1<<32-1)), nameFlag: r.name}
	if elf.ST_BIND(r.info) == elf.STB_LOCAL {
		s.nameFlag |= localFlag
	}
	t.syms = append(t.syms, s)
}

// maxBack is how many symbols before an address are looked at for one that
// covers it.
const maxBack = 128

// find names the function at pc: the smallest symbol that covers it, or else
// the last one before it if that has no size.
func (t *symtab) find(pc uint64) string {
	next := sort.Search(len(t.syms), func(i int) bool { return t.syms[i].addr > pc })
	var best []sym
	for i := next - 1; i >= 0 && next-i <= maxBack; i-- {
		s := t.syms[i]
		if s.size == 0 || pc-s.addr >= uint64(s.size) {
			continue
		}
		if len(best) > 0 && (s.size != best[0].size || s.addr != best[0].addr) {
			if s.size >= best[0].size {
				continue
			}
			best = best[:0]
		}
		best = append(best, s)
	}
	if len(best) == 0 && next > 0 {
		best = t.sizeless(next - 1)
	}
	return t.preferred(best)
}

// sizeless returns the symbols at the address of symbol i, if none of them has a
// size: else the address asked for is after the end of that function.
func (t *symtab) sizeless(i int) []sym {
	addr := t.syms[i].addr
	var out []sym
	for ; i >= 0 && t.syms[i].addr == addr && len(out) < maxBack; i-- {
		if t.syms[i].size != 0 {
			return nil
		}
		out = append(out, t.syms[i])
	}
	return out
}

// preferred chooses among names of the same function: what the source calls
// it is rather global, without the reserved underscores, and short.
func (t *symtab) preferred(same []sym) string {
	var best string
	var bestLocal bool
	for _, s := range same {
		name := t.name(s.nameFlag &^ localFlag)
		local := s.nameFlag&localFlag != 0
		if name == "" || strings.HasPrefix(name, ".L") || strings.HasPrefix(name, "$") {
			continue
		}
		if best == "" || !local && bestLocal || local == bestLocal && plainer(name, best) {
			best, bestLocal = name, local
		}
	}
	return best
}

func plainer(a, b string) bool {
	underscores := func(s string) int { return len(s) - len(strings.TrimLeft(s, "_")) }
	return cmp.Or(cmp.Compare(underscores(a), underscores(b)), cmp.Compare(len(a), len(b)), strings.Compare(a, b)) < 0
}

// name reads a name of up to 64 KiB.
func (t *symtab) name(off uint32) string {
	for n := uint64(128); n <= 64<<10; n *= 8 {
		if uint64(off) >= t.strings.FileSize {
			return ""
		}
		b := make([]byte, min(n, t.strings.FileSize-uint64(off)))
		got, _ := t.strings.ReadAt(b, int64(off))
		if end := bytes.IndexByte(b[:got], 0); end >= 0 {
			return string(b[:end])
		}
	}
	return ""
}

// lookup finds a symbol of any type by name.
func (img *image) lookup(name string) (value, size uint64, ok bool) {
	for _, kind := range []elf.SectionType{elf.SHT_DYNSYM, elf.SHT_SYMTAB} {
		syms, strs := img.tables(kind)
		if syms == nil || name == "" {
			continue
		}
		at := nameOffsets(strs, name)
		img.eachSymbol(syms, func(r rawSym) bool {
			if r.section != uint16(elf.SHN_UNDEF) && at[r.name] {
				value, size, ok = r.value, r.size, true
			}
			return !ok
		})
		if ok {
			return value, size, true
		}
	}
	return 0, 0, false
}

// nameOffsets returns where name, possibly with a version, is in a string
// table. It may be the tail of a longer string there.
func nameOffsets(strs *elf.Section, name string) map[uint32]bool {
	at := map[uint32]bool{}
	buf := make([]byte, max(64<<10, 4*len(name)))
	for off := uint64(0); off < strs.FileSize && len(at) < 1<<16; off += uint64(len(buf) - len(name) - 1) {
		n, err := strs.ReadAt(buf[:min(uint64(len(buf)), strs.FileSize-off)], int64(off))
		for i := 0; ; i++ {
			j := bytes.Index(buf[i:n], []byte(name))
			if j < 0 {
				break
			}
			i += j
			if end := i + len(name); end < n && (buf[end] == 0 || buf[end] == '@') {
				at[uint32(off)+uint32(i)] = true
			}
		}
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			break
		}
	}
	return at
}
