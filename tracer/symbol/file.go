package symbol

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/leaktrace/leaktrace/tracer/symbol/pclntab"
)

// maxRemembered is how many addresses' frames a File keeps.
const maxRemembered = 4096

// File symbolises the addresses of one mapped ELF file. Its methods may be
// called from several goroutines.
type File struct {
	name    string
	buildID string
	img     *image
	files   []*os.File // everything that Close must close

	mu         sync.Mutex
	closed     bool
	loaded     bool
	candidates []debugCandidate
	debug      *image // where debug information is: img, or a file of its own
	gotab      *pclntab.Table
	tables     []*symtab
	indexed    bool
	info       *debugInfo
	used       time.Time     // when info was last asked
	took       time.Duration // to read it
	slow       int           // what info.slow was when it was let go
	remembered map[uint64][]Frame
}

// Open parses the headers of f and takes ownership of it: f is closed by
// Close, or at once if Open fails. Since f stays open, neither removing the
// file nor the end of the process matters afterwards. The name is the path as
// the traced process sees it. Separate debug files are searched below root,
// the process's root directory (/proc/PID/root), then in the tracer's own.
//
// The file may be hostile: time and memory are bounded, and what cannot be
// parsed is treated as absent.
func Open(f *os.File, name, root string) (*File, error) {
	img, err := openImage(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("parsing %s: %w", name, err), f.Close())
	}
	s := &File{name: name, img: img, files: []*os.File{f}}
	if err := s.prepare(root); err != nil {
		return nil, errors.Join(fmt.Errorf("parsing %s: %w", name, err), s.Close())
	}
	return s, nil
}

// prepare does what must be done while the process is alive.
func (f *File) prepare(root string) (err error) {
	defer rescue(&err)
	f.buildID = f.img.buildID()
	if f.img.hasDWARF() {
		return nil
	}
	f.candidates = findDebug(f.img, f.buildID, f.name, root)
	for _, c := range f.candidates {
		f.files = append(f.files, c.f)
	}
	return nil
}

// BuildID returns the GNU build ID in hex, or the Go build ID, or "".
func (f *File) BuildID() string { return f.buildID }

// Frames returns the activations at a return address, innermost first: the
// inlined functions, then the one they were inlined into. There is always at
// least one, which has no function when none is known.
func (f *File) Frames(vaddr uint64) []Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	frames, ok := f.remembered[vaddr]
	if !ok {
		frames = f.symbolise(vaddr)
		if len(f.remembered) >= maxRemembered || f.remembered == nil {
			f.remembered = make(map[uint64][]Frame)
		}
		f.remembered[vaddr] = frames
	}
	return slices.Clone(frames)
}

// symbolise is Frames without memory.
func (f *File) symbolise(vaddr uint64) (frames []Frame) {
	plain := Frame{Module: f.name, BuildID: f.buildID, Address: vaddr}
	var err error
	defer func() {
		if err != nil || len(frames) == 0 {
			frames = []Frame{plain}
		}
	}()
	defer rescue(&err)
	if f.closed {
		return nil
	}
	f.load()
	// The address is where the call returns to, which may already be another
	// line, or another function if the call does not return.
	pc := vaddr - 1
	if f.gotab != nil {
		if calls, ok := f.gotab.Lookup(pc); ok {
			return goFrames(plain, calls)
		}
	}
	name := f.symbolAt(pc)
	f.index()
	f.used = time.Now()
	if f.info != nil {
		f.attempt(func() { frames = debugFrames(plain, f.info.lookup(pc), name) })
	}
	if len(frames) == 0 {
		plain.Function = name
	}
	return frames
}

// symbolAt names the function at pc by the symbol tables alone.
func (f *File) symbolAt(pc uint64) string {
	for _, t := range f.tables {
		if name := t.find(pc); name != "" {
			return readable(name)
		}
	}
	return ""
}

func goFrames(plain Frame, calls []pclntab.Call) []Frame {
	frames := make([]Frame, 0, len(calls))
	for _, c := range calls {
		fr := plain
		fr.Function, fr.File, fr.Line, fr.Inlined = capName(c.Function), c.File, c.Line, c.Inlined
		frames = append(frames, fr)
	}
	return frames
}

// debugFrames names the physical function by its symbol: it has the linkage
// name, which DWARF leaves out of static functions.
func debugFrames(plain Frame, calls []call, symbol string) []Frame {
	frames := make([]Frame, 0, len(calls))
	for _, c := range calls {
		fr := plain
		fr.Function, fr.File, fr.Line, fr.Inlined = readable(c.name), c.file, c.line, c.inlined
		if symbol != "" && !c.inlined {
			fr.Function = symbol
		}
		frames = append(frames, fr)
	}
	return frames
}

// load parses the tables. What cannot be parsed is left out: frames then have
// less in them, down to the address alone.
func (f *File) load() {
	if f.loaded {
		return
	}
	f.loaded = true
	f.debug = f.img
	images := []*image{f.img}
	for _, c := range f.candidates {
		if img, err := c.check(); err == nil {
			f.debug = img
			images = []*image{img, f.img}
			break
		}
	}
	f.attempt(func() { f.gotab, _ = pclntab.New(f.img.File) })
	for _, img := range images {
		f.attempt(func() {
			if t := img.functions(); t != nil {
				f.tables = append(f.tables, t)
			}
		})
	}
}

// Go returns the tables of a Go program and the version of Go it was built with, as
// `go version FILE` prints it. The tables are nil for another program, the version
// empty where the file does not say it. The tables are read until Close.
func (f *File) Go() (table *pclntab.Table, version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ""
	}
	f.load()
	f.attempt(func() {
		if info, err := buildinfo.Read(f.img.f); err == nil {
			version = info.GoVersion
		}
	})
	return f.gotab, version
}

// index reads the debug information. It is the largest part by far, and Go code
// does without it.
func (f *File) index() {
	if f.indexed {
		return
	}
	f.indexed = true
	began := time.Now()
	f.attempt(func() {
		if sections, err := debugSections(f.debug.File); err == nil {
			f.info, _ = newDebugInfo(sections)
		}
	})
	f.took = time.Since(began)
	if f.info != nil {
		f.info.slow = f.slow
	}
}

// How long debug information is kept that nobody asks: for restAfter, and longer
// where to read it again would take more than one part in restShare of that.
const (
	restAfter = time.Minute
	restShare = 500
)

// Rest lets go of debug information that was not asked for a while. It takes many
// times the memory of all else, and is read again when it is needed.
func (f *File) Rest(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.info == nil || now.Sub(f.used) < max(restAfter, restShare*f.took) {
		return
	}
	f.slow = f.info.slow
	f.info, f.indexed = nil, f.slow >= maxSlow
}

// attempt contains a panic to the table that was being parsed.
func (f *File) attempt(parse func()) {
	var err error
	defer rescue(&err)
	parse()
}

// Symbol returns the value and size of a symbol of any type.
func (f *File) Symbol(name string) (value, size uint64, ok bool) {
	var err error
	defer rescue(&err)
	return f.img.lookup(name)
}

// ReadAt reads bytes that the file has of a loaded segment. They are as before
// relocation.
func (f *File) ReadAt(vaddr uint64, p []byte) (err error) {
	defer rescue(&err)
	if err := f.img.readAt(vaddr, p); err != nil {
		return fmt.Errorf("reading %s: %w", f.name, err)
	}
	return nil
}

// Close closes the file. A File that is closed knows no functions.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	f.info = nil // it can be large
	var errs []error
	for _, file := range f.files {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}
