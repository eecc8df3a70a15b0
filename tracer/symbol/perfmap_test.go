package symbol

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkLookups looks addresses up; an empty name is none.
func checkLookups(t *testing.T, m *PerfMap, want map[uint64]string) {
	t.Helper()
	got := make(map[uint64]string)
	for pc := range want {
		got[pc], _ = m.Lookup(pc)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong names (-want +got):\n%s", diff)
	}
}

func TestPerfMap(t *testing.T) {
	var m PerfMap
	if _, err := m.Read(strings.NewReader("100 40 old\n0x110 10 new one\nbad\n200 0 empty\n140 8 Lnext;::run\n"), 1<<20); err != nil {
		t.Fatal(err)
	}
	checkLookups(t, &m, map[uint64]string{0xff: "", 0x100: "old", 0x110: "new one", 0x11f: "new one", 0x120: "old", 0x13f: "old", 0x140: "Lnext;::run", 0x148: ""})
	if m.Malformed != 2 {
		t.Errorf("%d malformed lines, want 2", m.Malformed)
	}
}

// What is read piece by piece, as it is written, is as what is read at once.
func TestPerfMapGrows(t *testing.T) {
	file := "100 40 old\n" + strings.Repeat("x", 3*maxPerfMapLine) + "\n110 10 new\n120 8 newer\n100 8 newest\n"
	var m PerfMap
	offset := int64(0)
	for _, end := range []int{5, 11, 20, len(file) - 20, len(file) - 19, len(file) - 1, len(file)} {
		n, err := m.Read(strings.NewReader(file[offset:end]), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		offset += n
	}
	if offset != int64(len(file)) || m.Malformed != 4 {
		t.Errorf("read %d of %d bytes, %d malformed lines, want the 4 parts of one", offset, len(file), m.Malformed)
	}
	checkLookups(t, &m, map[uint64]string{0x100: "newest", 0x108: "old", 0x110: "new", 0x120: "newer", 0x128: "old", 0x140: ""})
}

// A file cannot make us keep more than there is room for, nor read more, whatever
// its lines are; and what code memory was used for before takes no room.
func TestPerfMapRoom(t *testing.T) {
	const room = 64 << 10
	lines := map[string]func(i int) string{
		"short":     func(i int) string { return fmt.Sprintf("%x 1 f\n", i) },
		"zeros":     func(i int) string { return strings.Repeat("0", 2000) + fmt.Sprintf("%x 1 f\n", i) },
		"malformed": func(int) string { return "?\n" },
		"nested":    func(i int) string { return fmt.Sprintf("%x %x %s\n", 2*i, 1<<20-4*i, strings.Repeat("n", 30)) },
		"reused":    func(i int) string { return fmt.Sprintf("1000 10 f%d\n", i) },
	}
	for name, line := range lines {
		t.Run(name, func(t *testing.T) {
			var file strings.Builder
			for i := range 100_000 {
				file.WriteString(line(i))
			}
			var m PerfMap
			n, err := m.Read(strings.NewReader(file.String()), room)
			if err != nil {
				t.Fatal(err)
			}
			if n > room+4096 || m.Bytes > 2*room {
				t.Errorf("read %d bytes and kept %d, want %d at most", n, m.Bytes, room)
			}
			if name == "reused" && len(m.entries) != 1 {
				t.Errorf("kept %d functions, want the last one", len(m.entries))
			}
		})
	}
}
