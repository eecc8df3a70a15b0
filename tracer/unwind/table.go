// Package unwind compiles the call frame information of ELF files into rows
// that a BPF program can search: "from this address on, this rule finds the
// caller". The rules are extracted by the OpenTelemetry profiler's
// elfunwindinfo, from .eh_frame, .debug_frame and Go's pclntab.
package unwind

import (
	"debug/elf"
	"errors"
	"fmt"
	"math"
	"os"

	"go.opentelemetry.io/ebpf-profiler/nativeunwind/elfunwindinfo"
	"go.opentelemetry.io/ebpf-profiler/nativeunwind/stackdeltatypes"
)

// Bounds on what a traced process's files can make us hold or read.
const (
	// MaxRows is the largest table accepted for one file. Chromium, the
	// largest we know, has about 1.4 million.
	MaxRows = 1 << 20
	// maxFileSize is the largest file parsed, in bytes.
	maxFileSize = 4 << 30
)

// Rule says how to find the caller's registers. It is comparable: files share
// few distinct rules.
type Rule = stackdeltatypes.UnwindInfo

// Row says that Rule applies from PC, an ELF virtual address, to the next row.
type Row struct {
	PC   uint32
	Rule Rule
}

// Table is the rows of one file, sorted by PC, gaps between functions included.
type Table []Row

// Extract builds the table of an ELF file. The file is opened anew by path; it
// may be a /proc/self/fd link. A file without unwind information yields an
// empty table. Extract never panics, whatever the file contains.
func Extract(path string) (table Table, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("extract unwind table of %s: malformed file: %v", path, r)
		}
	}()
	if err := check(path); err != nil {
		return nil, fmt.Errorf("extract unwind table of %s: %w", path, err)
	}
	intervals, err := elfunwindinfo.Extract(path)
	if err != nil {
		return nil, fmt.Errorf("extract unwind table of %s: %w", path, err)
	}
	if intervals.NumDeltas > MaxRows/2 {
		return nil, fmt.Errorf("extract unwind table of %s: %d rows are more than %d", path, intervals.NumDeltas, MaxRows/2)
	}
	return flatten(intervals.Blocks), nil
}

// check refuses files whose headers promise more than there is: what is read
// past the end of a file is zeros, which elfunwindinfo takes for instructions
// that do nothing, up to the end of a section of any size.
func check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return errors.New("not a regular file of at most 4 GiB")
	}
	parsed, err := elf.NewFile(f)
	if err != nil {
		return err
	}
	size := uint64(info.Size())
	for _, section := range parsed.Sections {
		if section.Type != elf.SHT_NOBITS && !within(section.Offset, section.FileSize, size) {
			return fmt.Errorf("section %q lies outside the file", section.Name)
		}
	}
	for _, prog := range parsed.Progs {
		if !within(prog.Off, prog.Filesz, size) {
			return errors.New("a segment lies outside the file")
		}
	}
	return nil
}

func within(offset, length, size uint64) bool { return offset <= size && length <= size-offset }

// flatten lays the blocks out in one table. Where one block does not begin at
// the end of the last, an invalid row keeps its last rule from reaching over.
func flatten(blocks []*stackdeltatypes.BasicBlock) Table {
	var table Table
	var end uint64
	for _, block := range blocks {
		if block.Start < end || block.End < block.Start || block.End > math.MaxUint32 {
			continue
		}
		if len(table) > 0 && block.Start > end {
			table = table.add(end, stackdeltatypes.UnwindInfoInvalid)
		}
		for _, delta := range block.Deltas {
			table = table.add(block.Start+uint64(delta.Offset), delta.Info)
		}
		end = block.End
	}
	if len(table) > 0 {
		table = table.add(end, stackdeltatypes.UnwindInfoInvalid)
	}
	return table
}

// add appends a row, merging it with a last row of the same rule or address.
func (t Table) add(pc uint64, rule Rule) Table {
	if !packs(rule) {
		rule = stackdeltatypes.UnwindInfoInvalid
	}
	if pc > math.MaxUint32 {
		return t
	}
	if n := len(t); n > 0 {
		switch last := &t[n-1]; {
		case pc < uint64(last.PC):
			return t
		case pc == uint64(last.PC):
			last.Rule = rule
			return t
		case last.Rule == rule:
			return t
		}
	}
	return append(t, Row{PC: uint32(pc), Rule: rule})
}
