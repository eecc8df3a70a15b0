package goroutine

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const pageSize = 4096

// recorded is pages of memory by their address, as they were read of a process.
type recorded map[uint64][]byte

// Read implements Memory.
func (m recorded) Read(p []byte, pieces ...unix.RemoteIovec) (n int, err error) {
	for _, want := range pieces {
		for at, left := uint64(want.Base), want.Len; left > 0; {
			page := m[at/pageSize]
			if page == nil {
				return n, unix.EFAULT
			}
			some := copy(p[n:n+left], page[at%pageSize:])
			n, at, left = n+some, at+uint64(some), left-some
		}
	}
	return n, nil
}

// recorder records what is read of a process.
type recorder struct {
	live
	pages recorded
}

// Read implements Memory.
func (m recorder) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	for _, want := range pieces {
		for page := uint64(want.Base) / pageSize; page*pageSize < uint64(want.Base)+uint64(want.Len); page++ {
			if b := make([]byte, pageSize); m.pages[page] == nil && read(m.live, b, page*pageSize) {
				m.pages[page] = b
			}
		}
	}
	return m.live.Read(p, pieces...)
}

// record reads all of a process with 300 goroutines once.
func record(t testing.TB) (Program, recorded) {
	t.Helper()
	p := run(t, build(t, "crowd", "", []string{"CGO_ENABLED=0"}), "300")
	p.line("ready %d")
	program, pages := programOf(t, p.pid()), make(recorded)
	if n := exercise(t, program, recorder{live(p.pid()), pages}); n < 300 {
		t.Fatalf("%d goroutines with a stack", n)
	}
	return program, pages
}

// exercise reads all that can be read, which must end soon. It returns how many stacks
// there were.
func exercise(t testing.TB, program Program, m Memory) (stacks int) {
	t.Helper()
	began := time.Now()
	if r, err := Open(program, m, NewRoom()); err == nil {
		_, _ = r.Scan(everyStack, func(g *Goroutine, stack []uint64) {
			r.Reason(g.Reason)
			if len(stack) > MostFrames {
				t.Errorf("a stack of %d frames", len(stack))
			}
			if stack != nil {
				stacks++
			}
		})
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	return stacks
}

// damage overwrites words and takes pages away. Words become small numbers, random
// ones, or the address of something that is there.
func damage(good recorded, addresses []uint64, rng *rand.Rand) recorded {
	bad := make(recorded, len(good))
	for page, b := range good {
		bad[page] = slices.Clone(b)
	}
	for range 1 + rng.IntN(500) {
		page := addresses[rng.IntN(len(addresses))]
		value := [...]uint64{
			rng.Uint64(), rng.Uint64N(100), 1 << rng.UintN(64),
			addresses[rng.IntN(len(addresses))]*pageSize + 8*rng.Uint64N(pageSize/8),
		}[rng.IntN(4)]
		if rng.IntN(200) == 0 {
			delete(bad, page)
		} else if b := bad[page]; b != nil {
			binary.LittleEndian.PutUint64(b[8*rng.IntN(pageSize/8):], value)
		}
	}
	return bad
}

// TestDamaged reads memory in which much is wrong.
func TestDamaged(t *testing.T) {
	program, good := record(t)
	addresses := slices.Sorted(maps.Keys(good))
	rng := rand.New(rand.NewPCG(1, 2))
	opened := 0
	versions := []string{program.Version, ""} // that of the program, and one to be found out
	for i := range 500 {
		program.Version = versions[i%2]
		if exercise(t, program, damage(good, addresses, rng)) > 0 {
			opened++
		}
	}
	t.Logf("%d of 500 could be read", opened)
	if opened == 0 {
		t.Error("none could be read: nothing was tested")
	}
}

// recordList is record, and finds the list of goroutines.
func recordList(t *testing.T) (program Program, pages recorded, r *Runtime, l list) {
	t.Helper()
	program, pages = record(t)
	r, err := Open(program, pages, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 24)
	read(pages, header, r.list)
	return program, pages, r, decodeList(header)
}

// TestOddLayout reads a process of an unknown release whose goroutines have their fields
// where no release has them: the number behind the others.
func TestOddLayout(t *testing.T) {
	program, pages, r, l := recordList(t)
	pointers, head := make([]byte, 8*l.len), make([]byte, headMost)
	read(pages, pointers, l.first)
	read(pages, head, word(pointers, 0))
	start := word(head, r.layout.start())
	for i := range l.len {
		g := word(pointers, 8*i)
		read(pages, head, g)
		for at := uint64(88); at < headMost; at += 8 {
			pages.put(g+at, 0)
		}
		stack := word(head, offHigh) - 64
		for at, value := range map[uint64]uint64{
			offSP: stack, 88: start + 8, 96: stack, 104: start, headMost - 16: uint64(Waiting), headMost - 8: i + 1,
		} {
			pages.put(g+at, value)
		}
	}
	program.Version = ""
	if _, err := Open(program, pages, NewRoom()); !errors.Is(err, errLayout) {
		t.Errorf("%v, not %v", err, errLayout)
	}
}

// everything is memory that is there wherever it is read, and always the same.
type everything struct{ word uint64 }

// Read implements Memory.
func (m everything) Read(p []byte, pieces ...unix.RemoteIovec) (n int, err error) {
	for _, want := range pieces {
		n += want.Len
	}
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], m.word)
	}
	return n, nil
}

// liar is a process that claims to have as many goroutines as a list can hold, all of
// them the same one, whose stack never ends.
type liar struct {
	recorded
	list, first uint64
}

// Read implements Memory.
func (m liar) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	if at := uint64(pieces[0].Base); len(pieces) == 1 && at >= m.list && at < m.list+mostListed*8 {
		for i := 0; i+8 <= len(p); i += 8 {
			binary.LittleEndian.PutUint64(p[i:], m.first)
		}
		return len(p), nil
	}
	return m.recorded.Read(p, pieces...)
}

// TestLiar reads a process whose list of goroutines is as long as one can be.
func TestLiar(t *testing.T) {
	_, pages, r, l := recordList(t)
	first := make([]byte, 8)
	read(pages, first, l.first)
	m := liar{pages, 1 << 46, word(first, 0)}
	for i, value := range []uint64{m.list, mostListed - 1, mostListed - 1} {
		at := r.list + uint64(8*i)
		binary.LittleEndian.PutUint64(pages[at/pageSize][at%pageSize:], value)
	}
	r.memory = m
	began, n := time.Now(), 0
	omitted, err := r.Scan(everyStack, func(*Goroutine, []uint64) { n++ })
	if err != nil || n > Most || omitted != mostListed-1-Most {
		t.Errorf("%d goroutines, %d omitted, %v", n, omitted, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestEverything opens programs whose memory is all the same.
func TestEverything(t *testing.T) {
	program, _ := record(t)
	for _, word := range []uint64{0, 1, 8, 4096, 1 << 20, 1 << 40, 1<<64 - 8, 1<<64 - 1} {
		if n := exercise(t, program, everything{word}); n > 0 {
			t.Errorf("memory that is all %#x has %d goroutines", word, n)
		}
	}
}

// FuzzOpen reads memory that differs from a good one as the fuzzer wants: each 16
// bytes say where and what.
func FuzzOpen(f *testing.F) {
	program, good := record(f)
	addresses := slices.Sorted(maps.Keys(good))
	f.Add(make([]byte, 16), true)
	f.Fuzz(func(t *testing.T, b []byte, known bool) {
		program := program
		if !known {
			program.Version = ""
		}
		bad := make(recorded, len(good))
		for page, b := range good {
			bad[page] = b
		}
		for ; len(b) >= 16; b = b[16:] {
			at := word(b, 0)
			page := addresses[at/pageSize%uint64(len(addresses))]
			copy := slices.Clone(bad[page])
			binary.LittleEndian.PutUint64(copy[at%pageSize&^7:], word(b, 8))
			bad[page] = copy
		}
		exercise(t, program, bad)
	})
}
