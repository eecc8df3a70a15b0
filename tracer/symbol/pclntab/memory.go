package pclntab

import (
	"bytes"
	"debug/elf"
	"fmt"
)

// memory reads a file by virtual address.
type memory struct{ f *elf.File }

// read fills p, which must lie within the file's bytes of one segment.
func (m memory) read(addr uint64, p []byte) error {
	for _, s := range m.f.Progs {
		if s.Type != elf.PT_LOAD || addr < s.Vaddr || addr-s.Vaddr >= s.Filesz {
			continue
		}
		if uint64(len(p)) > s.Filesz-(addr-s.Vaddr) {
			break
		}
		_, err := s.ReadAt(p, int64(addr-s.Vaddr))
		return err
	}
	return fmt.Errorf("address %#x is not in the file", addr)
}

// readSome is read, except that p may reach beyond the segment: it returns
// how much there was.
func (m memory) readSome(addr uint64, p []byte) int {
	for _, s := range m.f.Progs {
		if s.Type == elf.PT_LOAD && addr >= s.Vaddr && addr-s.Vaddr < s.Filesz {
			n, _ := s.ReadAt(p[:min(uint64(len(p)), s.Filesz-(addr-s.Vaddr))], int64(addr-s.Vaddr))
			return n
		}
	}
	return 0
}

// cstring reads a string of up to 4 KiB; a longer one is cut.
func (m memory) cstring(addr uint64) (string, error) {
	var b [4096]byte
	for size := 128; ; size *= 8 {
		size = min(size, len(b))
		n := m.readSome(addr, b[:size])
		if end := bytes.IndexByte(b[:n], 0); end >= 0 {
			return string(b[:end]), nil
		}
		if n < size {
			return "", fmt.Errorf("the string at %#x has no end", addr)
		}
		if size == len(b) {
			return string(b[:]), nil
		}
	}
}

// stream reads bytes one after the other through a small buffer.
type stream struct {
	mem    memory
	addr   uint64
	left   int
	buf    [256]byte
	have   []byte
	failed bool
}

func (s *stream) byte() byte {
	if len(s.have) == 0 {
		n := s.mem.readSome(s.addr, s.buf[:])
		if n == 0 || s.left <= 0 {
			s.failed = true
			return 0
		}
		s.have, s.addr, s.left = s.buf[:n], s.addr+uint64(n), s.left-n
	}
	b := s.have[0]
	s.have = s.have[1:]
	return b
}

func (s *stream) varint() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := s.byte()
		v |= uint32(b&0x7f) << shift
		if b&0x80 == 0 {
			return v
		}
	}
	s.failed = true
	return 0
}
