package tests

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// Files with damaged contents that the target has mapped cost neither much time
// nor memory, and do not harm the stacks of others.
func TestCorruptFiles(t *testing.T) {
	const maxTime, maxMemory = 10 * time.Second, 1 << 30
	s := newSession(t, tracer.Options{}, "mapfile", corruptFiles(t)...)
	s.startUntraced()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	s.trace()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; took > maxTime || used > maxMemory {
		t.Errorf("took %v and %d bytes of memory, want less than %v and %d", took, used, maxTime, maxMemory)
	}
	told := s.do("go 3")
	shot := s.snapshot()
	s.check(shot, map[string]tally{"zombie leak_child": threeKept})
	s.complete(shot)
	s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
}

// corruptFiles writes damaged copies of a good ELF file.
func corruptFiles(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(programs, "leaky-o2")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"empty": {}, "text": []byte("no ELF at all\n"), "magic": good[:4], "header": good[:64],
		"half": good[:len(good)/2], "tail": good[:len(good)-100], "zeroes": make([]byte, 1<<20),
		"class":  withBytes(good, 4, []byte{1}),
		"phoff":  withWord(good, 0x20, 1<<63),
		"shoff":  withWord(good, 0x28, ^uint64(0)-16),
		"phnum":  withBytes(good, 0x38, []byte{0xff, 0xff}),
		"shnum":  withBytes(good, 0x3c, []byte{0xff, 0xff}),
		"strndx": withBytes(good, 0x3e, []byte{0xfe, 0xff}),
	}
	addDamagedSections(t, path, good, files)
	// Reproducible: a file that breaks the tracer can be made again.
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 24 {
		bad := bytes.Clone(good)
		for range 1 << (i % 12) {
			bad[random.IntN(len(bad))] = byte(random.Uint32())
		}
		copy(bad, good[:16]) // still ELF
		files[fmt.Sprintf("random-%d", i)] = bad
	}
	return writeFiles(t, files)
}

// addDamagedSections damages each section: its contents, its size, its place.
func addDamagedSections(t *testing.T, path string, good []byte, into map[string][]byte) {
	t.Helper()
	parsed, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parsed.Close() }()
	headers := binary.LittleEndian.Uint64(good[0x28:])
	random := rand.New(rand.NewPCG(3, 4))
	for i, section := range parsed.Sections {
		header := int(headers) + i*64
		switch section.Name {
		case ".eh_frame", ".eh_frame_hdr", ".symtab", ".strtab", ".shstrtab", ".dynsym", ".note.gnu.build-id",
			".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_rnglists", ".debug_aranges":
			into["size of "+section.Name] = withWord(good, header+0x20, 1<<62)
			into["place of "+section.Name] = withWord(good, header+0x18, ^uint64(0)-8)
			into["ones in "+section.Name] = withBytes(good, int(section.Offset), bytes.Repeat([]byte{0xff}, int(section.Size)))
			noise := make([]byte, section.Size)
			for n := range noise {
				noise[n] = byte(random.Uint32())
			}
			into["noise in "+section.Name] = withBytes(good, int(section.Offset), noise)
		}
	}
}

func withBytes(good []byte, at int, bytesAt []byte) []byte {
	bad := bytes.Clone(good)
	copy(bad[at:], bytesAt)
	return bad
}

func withWord(good []byte, at int, word uint64) []byte {
	return withBytes(good, at, binary.LittleEndian.AppendUint64(nil, word))
}

func writeFiles(t *testing.T, files map[string][]byte) []string {
	t.Helper()
	var paths []string
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}
