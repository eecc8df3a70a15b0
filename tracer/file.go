package tracer

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// fileKey tells files apart, also when one is replaced under the same name.
type fileKey struct {
	dev, inode uint64
	size       int64
	mtime      syscall.Timespec
}

// file is a mapped ELF file, shared by all spaces that map it. It stays open,
// so it can be read after the process ended or the file was deleted.
type file struct {
	key      fileKey
	symbols  *symbol.File
	segments []elf.ProgHeader // executable PT_LOADs
	place    extent
	rows     []ledgerLeakRow // as in the kernel, for stacks that Go walks
	threads  threadLayout
	// golang: it has the table of Go's functions. goOnly: it has no C library besides,
	// and nobody has to join its threads.
	golang, goOnly bool

	refs int
	// tenant is the first to map it, and payer whose room its table takes; both are
	// nil unless a node is traced. missing is what the table needs that there was no
	// room for.
	tenant, payer *tenant
	missing       tableNeed
}

// files holds every file some space maps, each once.
type files struct {
	tables *tables
	byKey  map[fileKey]*file
	// untabled counts files for whose table there was no room.
	untabled uint64
}

// open returns the file that is f, of which it takes ownership: a mapping of a
// process whose root directory is root and which knows it by name. A file
// whose unwind table is missing or malformed is usable all the same. Its table
// counts against the first tenant that maps it and has room for it.
func (fs *files) open(f *os.File, name, root string, whose *tenant) (*file, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, errors.New("not a regular file"))
	}
	stat := info.Sys().(*syscall.Stat_t)
	key := fileKey{stat.Dev, stat.Ino, stat.Size, stat.Mtim}
	if known := fs.byKey[key]; known != nil {
		if err := fs.tabulateLate(known, f, whose); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		known.refs++
		return known, f.Close()
	}
	if !whose.mayOpen() {
		return nil, errors.Join(f.Close(), errTablesFull)
	}
	opened, err := fs.load(f, name, root, whose)
	if err != nil {
		return nil, err
	}
	whose.opened(1)
	opened.key = key
	fs.byKey[key] = opened
	return opened, nil
}

// load reads a file for the first time. It takes ownership of f.
func (fs *files) load(f *os.File, name, root string, whose *tenant) (*file, error) {
	segments, golang, goOnly, err := examine(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	table := extract(f) // before symbol.Open, which owns f then
	symbols, err := symbol.Open(f, name, root)
	if err != nil {
		return nil, err
	}
	loaded := &file{
		tenant: whose, symbols: symbols, segments: segments,
		threads: readThreadLayout(symbols), golang: golang, goOnly: goOnly, refs: 1,
	}
	if err := fs.tabulate(loaded, table, whose); err != nil {
		return nil, errors.Join(err, symbols.Close())
	}
	return loaded, nil
}

// extract reads a file's unwind table. Without one it is stepped by frame pointer,
// and the stacks say so.
func extract(f *os.File) unwind.Table {
	table, err := unwind.Extract(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return nil
	}
	return table
}

// tabulate puts a file's table into the kernel, if the tenant has room and the
// kernel has.
func (fs *files) tabulate(f *file, table unwind.Table, whose *tenant) error {
	need := fs.tables.need(table)
	f.missing = need
	if !fs.mayTable(need, whose) {
		return nil
	}
	place, rows, err := fs.tables.add(table, whose)
	if errors.Is(err, errTablesFull) {
		fs.untabled++
		return nil
	}
	if err != nil {
		return err
	}
	f.payer, f.place, f.rows, f.missing = whose, place, rows, tableNeed{}
	whose.tabled(int32(len(rows)))
	return nil
}

// tabulateLate does it for a file that had no room before: who maps it now may have
// some, or others have given theirs back. Those that map it already do without.
func (fs *files) tabulateLate(f *file, link *os.File, whose *tenant) error {
	if f.missing == (tableNeed{}) || !fs.tables.fits(f.missing) || !fs.mayTable(f.missing, whose) {
		return nil
	}
	return fs.tabulate(f, extract(link), whose)
}

func (fs *files) mayTable(need tableNeed, whose *tenant) bool {
	return whose.mayTable(need, fs.tables.rows.MaxEntries(), fs.tables.rules.MaxEntries())
}

// release gives back one reference.
func (fs *files) release(f *file) error {
	f.refs--
	if f.refs > 0 {
		return nil
	}
	delete(fs.byKey, f.key)
	fs.tables.remove(f.place, f.rows)
	f.payer.tabled(-int32(len(f.rows)))
	f.tenant.opened(-1)
	return f.symbols.Close()
}

// rest lets go of what is large and not needed now.
func (fs *files) rest() {
	now := time.Now()
	for _, f := range fs.byKey {
		f.symbols.Rest(now)
	}
}

// bias is what to subtract from an address to get the ELF virtual address,
// given where a mapping begins in memory and in the file.
func (f *file) bias(start, offset uint64) uint64 {
	for _, segment := range f.segments {
		first := segment.Off &^ uint64(os.Getpagesize()-1)
		if offset >= first && offset < segment.Off+segment.Filesz {
			return start - offset + segment.Off - segment.Vaddr
		}
	}
	return start - offset
}

// examine reads the program headers, and tells a program that is Go's: it has the
// table of Go's functions. One that is Go's alone has no dynamic linker. debug/elf has paniced on
// crafted files before, hence the recover.
func examine(f *os.File) (segments []elf.ProgHeader, golang, goOnly bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed ELF: %v", r)
		}
	}()
	parsed, err := elf.NewFile(f)
	if err != nil {
		return nil, false, false, err
	}
	golang = parsed.Section(".gopclntab") != nil || parsed.Section(".data.rel.ro.gopclntab") != nil
	goOnly = golang
	for _, prog := range parsed.Progs {
		goOnly = goOnly && prog.Type != elf.PT_INTERP
		if prog.Type == elf.PT_LOAD && prog.Flags&elf.PF_X != 0 {
			segments = append(segments, prog.ProgHeader)
		}
	}
	return segments, golang, goOnly, nil
}
