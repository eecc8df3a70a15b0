package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
)

// debugCandidate is an open file that may hold another file's debug
// information. Candidates are opened with the mapped file, while the process
// and its root directory exist, and checked when they are needed.
type debugCandidate struct {
	f *os.File
	// buildID is what the file must have; crc what it must sum to when it has
	// no build ID to compare.
	buildID string
	crc     uint32
	haveCRC bool
}

// findDebug opens the separate debug file of img, if it has one: in the traced
// process's root directory first, then in the tracer's own.
func findDebug(img *image, buildID, name, root string) []debugCandidate {
	var found []debugCandidate
	try := func(p string, crc uint32, haveCRC bool) {
		for _, dir := range []string{root, "/"} {
			if f, err := openIn(dir, p); err == nil && len(found) < 4 {
				found = append(found, debugCandidate{f, buildID, crc, haveCRC})
			}
		}
	}
	if len(buildID) > 4 && strings.Trim(buildID, "0123456789abcdef") == "" {
		try("/usr/lib/debug/.build-id/"+buildID[:2]+"/"+buildID[2:]+".debug", 0, false)
	}
	if link, crc, ok := debugLink(img); ok && path.IsAbs(name) {
		dir := path.Dir(name)
		for _, p := range []string{path.Join(dir, link), path.Join(dir, ".debug", link), path.Join("/usr/lib/debug", dir, link)} {
			try(p, crc, true)
		}
	}
	return found
}

// debugLink decodes .gnu_debuglink: a file name, padded, and a checksum.
func debugLink(img *image) (name string, crc uint32, ok bool) {
	b := img.content(".gnu_debuglink", 4<<10)
	end := bytes.IndexByte(b, 0)
	if end <= 0 || (end+4)&^3+4 > len(b) {
		return "", 0, false
	}
	name = string(b[:end])
	// It is a name, not a path; the file that has it may be hostile.
	if strings.Contains(name, "/") || name == ".." {
		return "", 0, false
	}
	return name, binary.LittleEndian.Uint32(b[(end+4)&^3:]), true
}

// openIn opens a regular file below dir. The directory may be a container's:
// links in it must not lead to files outside, nor a pipe make us wait.
func openIn(dir, p string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("opening a debug file: no root directory")
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := r.OpenFile(strings.TrimPrefix(path.Clean(p), "/"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("opening %s: it is not a regular file", p)
	}
	return f, nil
}

// check parses the candidate and makes sure that it belongs to the file.
func (c debugCandidate) check() (*image, error) {
	img, err := openImage(c.f)
	if err != nil {
		return nil, fmt.Errorf("parsing debug file %s: %w", c.f.Name(), err)
	}
	id := img.buildID()
	switch {
	case id != "" && id == c.buildID:
		return img, nil
	case id != "" && c.buildID != "", !c.haveCRC:
		return nil, fmt.Errorf("checking debug file %s: its build id is %q, not %q", c.f.Name(), id, c.buildID)
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(c.f, 0, maxChecked)); err != nil {
		return nil, fmt.Errorf("checking debug file %s: %w", c.f.Name(), err)
	}
	if sum.Sum32() != c.crc {
		return nil, fmt.Errorf("checking debug file %s: its checksum is wrong", c.f.Name())
	}
	return img, nil
}

// maxChecked is the largest debug file that is checked by its sum.
const maxChecked = 4 << 30

// hasDWARF says whether the image has line information of its own.
func (img *image) hasDWARF() bool {
	s := img.Section(".debug_info")
	return s != nil && s.Type != elf.SHT_NOBITS
}
