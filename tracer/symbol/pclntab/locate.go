package pclntab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
)

// findHeader finds the pclntab by section or, when the file has no section
// headers, by its magic number.
func findHeader(mem memory) (header, error) {
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s := mem.f.Section(name); s != nil && s.Addr != 0 {
			return decodeHeader(mem, s.Addr)
		}
	}
	if len(mem.f.Sections) > 0 {
		return header{}, errors.New("finding the pclntab: no such section")
	}
	var found header
	for _, magic := range []uint32{magic120, magic118} {
		pattern := binary.LittleEndian.AppendUint32(nil, magic)
		scan(mem, pattern, func(s *elf.Prog) bool { return true }, func(addr uint64) bool {
			h, err := decodeHeader(mem, addr)
			found = h
			return err == nil
		})
		if found.addr != 0 {
			return found, nil
		}
	}
	return header{}, errors.New("finding the pclntab: no magic number")
}

// scan looks for an 8-byte aligned pattern in the segments that want accepts,
// until hit accepts an address. The pattern's length must divide 8 KiB.
func scan(mem memory, pattern []byte, want func(*elf.Prog) bool, hit func(addr uint64) bool) {
	buf := make([]byte, 64<<10)
	for _, s := range mem.f.Progs {
		if s.Type != elf.PT_LOAD || !want(s) {
			continue
		}
		// Chunks overlap by 8 KiB so that no hit is cut.
		for off := uint64(0); off < s.Filesz; off += uint64(len(buf)) - 8<<10 {
			n, _ := s.ReadAt(buf[:min(uint64(len(buf)), s.Filesz-off)], int64(off))
			if n == 0 || scanChunk(buf[:n], s.Vaddr+off, pattern, hit) {
				break
			}
		}
	}
}

func scanChunk(chunk []byte, addr uint64, pattern []byte, hit func(uint64) bool) bool {
	for at := 0; ; {
		i := bytes.Index(chunk[at:], pattern)
		if i < 0 {
			return false
		}
		at += i
		if (addr+uint64(at))%8 == 0 && hit(addr+uint64(at)) {
			return true
		}
		at++
	}
}

// module is what is needed of runtime.moduledata, and where it is.
type module struct{ addr, text, gofunc uint64 }

// moduleWords is how much of moduledata is read, in words.
const moduleWords = 50

// maxCandidates is how many places are checked for being moduledata: a corrupt
// file may be full of places that look like it.
const maxCandidates = 64

// findModule finds the moduledata that belongs to h.
func findModule(mem memory, h header) (module, bool) {
	var m module
	found, tried := false, 0
	try := func(addr uint64) bool {
		if tried++; !found && tried <= maxCandidates {
			m, found = decodeModule(moduleAt(mem, addr), h)
			m.addr = addr
		}
		return found || tried >= maxCandidates
	}
	if s := mem.f.Section(".go.module"); s != nil && try(s.Addr) && found {
		return m, true
	}
	pattern := binary.LittleEndian.AppendUint64(nil, h.addr)
	pattern = binary.LittleEndian.AppendUint64(pattern, h.funcnames)
	scan(mem, pattern, func(s *elf.Prog) bool { return s.Flags&elf.PF_W != 0 }, try)
	if found {
		return m, true
	}
	// In a position independent file the words may be zero, and only the
	// relocations have their values.
	relocations(mem.f, func(off, addend uint64) bool { return addend == h.addr && try(off) })
	return m, found
}

// moduleAt reads the words at addr as they will be after relocation.
func moduleAt(mem memory, addr uint64) [moduleWords]uint64 {
	var b [8 * moduleWords]byte
	mem.readSome(addr, b[:])
	var words [moduleWords]uint64
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	relocations(mem.f, func(off, addend uint64) bool {
		if off >= addr && off-addr < 8*moduleWords && (off-addr)%8 == 0 {
			words[(off-addr)/8] = addend
		}
		return false
	})
	return words
}

// decodeModule checks that w is h's moduledata. Words: 0 pcHeader, 1 names,
// 4 cutab, 7 filetab, 10 pctab, 13 pclntable and its length, 17 length of
// ftab, 22 text. gofunc moved in Go 1.27; it is the word before epclntab.
func decodeModule(w [moduleWords]uint64, h header) (module, bool) {
	if w[0] != h.addr || w[1] != h.funcnames || w[4] != h.cus || w[7] != h.files || w[10] != h.pctab || w[13] != h.pcln || w[17] != h.nfunc+1 {
		return module{}, false
	}
	m := module{text: w[22], gofunc: w[40]}
	// epclntab is after pclntable; from Go 1.26 on gofunc's data is between.
	for _, i := range []int{40, 43} {
		if end := w[13] + w[14]; w[i+1] >= end && w[i+1]-end < 1<<28 {
			m.gofunc = w[i]
			break
		}
	}
	return m, true
}

// relocations calls fn for each relative relocation until it returns true.
func relocations(f *elf.File, fn func(off, addend uint64) bool) {
	var relative uint32
	switch f.Machine {
	case elf.EM_X86_64:
		relative = uint32(elf.R_X86_64_RELATIVE)
	case elf.EM_AARCH64:
		relative = uint32(elf.R_AARCH64_RELATIVE)
	}
	buf := make([]byte, 24<<10)
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 || s.ReaderAt == nil {
			continue
		}
		for off := uint64(0); off < s.FileSize; off += uint64(len(buf)) {
			n, _ := s.ReadAt(buf, int64(off))
			for b := buf[:n]; len(b) >= 24; b = b[24:] {
				if binary.LittleEndian.Uint32(b[8:]) == relative &&
					fn(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[16:])) {
					return
				}
			}
			if n == 0 {
				return
			}
		}
	}
}
