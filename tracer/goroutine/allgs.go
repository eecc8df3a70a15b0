package goroutine

import (
	"cmp"
	"errors"

	"golang.org/x/sys/unix"
)

// Offsets in runtime.g that no release since 1.20 has changed.
const (
	offLow   = 0 // stack.lo
	offHigh  = 8 // stack.hi
	offSP    = 56
	offPC    = 64
	offSelf  = 72 // sched.g
	headSize = 80
)

const (
	// fewest is how many goroutines a program has that has begun: main, and those of
	// the garbage collector.
	fewest = 4
	// mostListed bounds the slice itself; what is read of it is less.
	mostListed = 1 << 26
	// checked is how many elements of a slice are looked at, at its beginning and in all
	// of it.
	checked = 64
	// maxLists is how many slices in .bss are looked at.
	maxLists = 1 << 15
)

// ErrEarly is returned for a program whose runtime has not begun yet, or that has
// no list of goroutines where it should be, or not one alone.
var ErrEarly = errors.New("its list of goroutines was not found")

// list is a slice header.
type list struct{ first, len, cap uint64 }

func decodeList(b []byte) list { return list{word(b, 0), word(b, 8), word(b, 16)} }

func (l list) plausible() bool {
	return l.first != 0 && l.first%8 == 0 && l.len >= fewest && l.len <= l.cap && l.cap < mostListed
}

// findList finds runtime.allgs in .bss: the slice of whose elements each points to
// itself. While the garbage collector marks it has another one (work.stackRoots), which
// is the first as it was when that began: it has fewer goroutines, or at least no room
// for more. As long as the two are alike it is too early to tell.
func findList(m Memory, bss section) (uint64, error) {
	var best list
	var at uint64
	looked, alike := 0, false
	search(m, bss, 24, func(address uint64, b []byte) bool {
		l := decodeList(b)
		if !l.plausible() {
			return false
		}
		if looked++; l.holds(m) {
			switch order := cmp.Or(cmp.Compare(l.len, best.len), cmp.Compare(l.cap, best.cap)); {
			case order > 0:
				best, at, alike = l, address, false
			case order == 0:
				alike = true
			}
		}
		return looked == maxLists
	})
	if at == 0 || alike {
		return 0, ErrEarly
	}
	return at, nil
}

// holds tells whether the elements of a list are goroutines: the first, and some of all
// of them. As the list grows it is copied, and other words of .bss may refer to what is
// left of a copy, two numbers behind it: that begins as a list does.
func (l list) holds(m Memory) bool {
	if len(l.heads(m, headSize)) == 0 {
		return false
	}
	var pieces [checked]unix.RemoteIovec
	for i := range pieces {
		pieces[i] = piece(l.first+8*(uint64(i)*l.len/checked), 8)
	}
	pointers := make([]byte, 8*checked)
	n, _ := m.Read(pointers, pieces[:]...)
	return n == len(pointers) && headsAt(m, pointers, headSize) != nil
}

// heads reads so many bytes of each of the first elements. If one is no goroutine
// there are none.
func (l list) heads(m Memory, size int) [][]byte {
	pointers := make([]byte, 8*min(l.len, checked))
	if !read(m, pointers, l.first) {
		return nil
	}
	return headsAt(m, pointers, size)
}

// headsAt is heads of the elements at some addresses.
func headsAt(m Memory, pointers []byte, size int) (heads [][]byte) {
	n := len(pointers) / 8
	pieces := make([]unix.RemoteIovec, n)
	for i := range pieces {
		pieces[i] = piece(word(pointers, uint64(8*i)), size)
	}
	buf := make([]byte, n*size)
	if got, _ := m.Read(buf, pieces...); got != len(buf) {
		return nil
	}
	for i := range n {
		b := buf[i*size : (i+1)*size]
		if word(b, offSelf) != uint64(pieces[i].Base) || word(b, offLow) > word(b, offHigh) {
			return nil
		}
		heads = append(heads, b)
	}
	return heads
}
