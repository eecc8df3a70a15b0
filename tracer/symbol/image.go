package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxELFHeaders is how many bytes are read to parse the ELF, program and
// section headers and the section names. It bounds what a file that claims to
// have huge ones can make debug/elf allocate.
const maxELFHeaders = 32 << 20

// image is an open ELF file.
type image struct {
	*elf.File
	f *os.File
}

// meter is a file of which only so much may be read while armed.
type meter struct {
	io.ReaderAt
	left  int
	armed bool
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if m.armed {
		if m.left -= len(p); m.left < 0 {
			return 0, errors.New("the headers are too large")
		}
	}
	return m.ReaderAt.ReadAt(p, off)
}

// openImage parses f's headers. It does not close f on error.
func openImage(f *os.File) (img *image, err error) {
	defer rescue(&err)
	m := &meter{ReaderAt: f, left: maxELFHeaders, armed: true}
	e, err := elf.NewFile(m)
	if err != nil {
		return nil, err
	}
	m.armed = false
	if e.Class != elf.ELFCLASS64 || e.Data != elf.ELFDATA2LSB {
		return nil, errors.New("it is not a 64-bit little-endian file")
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	clampSizes(e, uint64(st.Size()))
	return &image{e, f}, nil
}

// clampSizes makes sections and segments end where the file does, so that a
// false size cannot make anyone allocate it.
func clampSizes(e *elf.File, size uint64) {
	for _, s := range e.Sections {
		if s.Type != elf.SHT_NOBITS {
			s.FileSize = min(s.FileSize, size-min(size, s.Offset))
		}
	}
	for _, p := range e.Progs {
		p.Filesz = min(p.Filesz, size-min(size, p.Off))
	}
}

// rescue turns a panic of a parser that was given a corrupt file into an error.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the file is corrupt: %v", r)
	}
}

// readAt reads what the file has of a loaded segment.
func (img *image) readAt(vaddr uint64, p []byte) error {
	for _, s := range img.Progs {
		if s.Type == elf.PT_LOAD && vaddr >= s.Vaddr && vaddr-s.Vaddr < s.Filesz && uint64(len(p)) <= s.Filesz-(vaddr-s.Vaddr) {
			_, err := s.ReadAt(p, int64(vaddr-s.Vaddr))
			return err
		}
	}
	return fmt.Errorf("%d bytes at %#x are not in the file", len(p), vaddr)
}

// executable says whether vaddr is in a segment with code.
func (img *image) executable(vaddr uint64) bool {
	for _, s := range img.Progs {
		if s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && vaddr >= s.Vaddr && vaddr-s.Vaddr < s.Memsz {
			return true
		}
	}
	return false
}

// content returns up to limit bytes of a section, nil if there is none.
func (img *image) content(name string, limit int) []byte {
	s := img.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.ReaderAt == nil || s.FileSize > uint64(limit) {
		return nil
	}
	b := make([]byte, s.FileSize)
	n, _ := s.ReadAt(b, 0)
	return b[:n]
}

// maxNotes is the largest segment or section of notes that is read.
const maxNotes = 64 << 10

// buildID returns the GNU build ID in hex, or the Go one, or "".
func (img *image) buildID() string {
	var gnu, goid string
	look := func(b []byte) {
		gnu = firstOf(gnu, hex.EncodeToString(note(b, "GNU", 3)))
		goid = firstOf(goid, string(note(b, "Go", 4)))
	}
	for _, s := range img.Progs {
		if s.Type == elf.PT_NOTE && s.Filesz <= maxNotes {
			b := make([]byte, s.Filesz)
			n, _ := s.ReadAt(b, 0)
			look(b[:n])
		}
	}
	// Separate debug files have the sections but may lack the segments.
	look(img.content(".note.gnu.build-id", maxNotes))
	look(img.content(".note.go.buildid", maxNotes))
	return firstOf(gnu, goid)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// note returns the content of a note, or nil.
func note(b []byte, owner string, kind uint32) []byte {
	for len(b) >= 12 {
		nameSize := uint64(binary.LittleEndian.Uint32(b))
		descSize := uint64(binary.LittleEndian.Uint32(b[4:]))
		desc := 12 + (nameSize+3)&^3
		end := desc + (descSize+3)&^3
		if desc+descSize > uint64(len(b)) {
			return nil
		}
		name := bytes.TrimRight(b[12:12+nameSize], "\x00")
		if string(name) == owner && binary.LittleEndian.Uint32(b[8:]) == kind {
			return b[desc : desc+descSize]
		}
		b = b[min(end, uint64(len(b))):]
	}
	return nil
}
