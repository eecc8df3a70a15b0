package goroutine

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fixed is memory that tells what is at an address, and counts what is read.
type fixed struct {
	fill  func(address uint64, b []byte) bool
	bytes int
	reads int
}

// Read implements Memory.
func (m *fixed) Read(p []byte, pieces ...unix.RemoteIovec) (n int, err error) {
	for _, want := range pieces {
		m.reads++
		if !m.fill(uint64(want.Base), p[n:][:want.Len]) {
			return n, unix.EFAULT
		}
		m.bytes, n = m.bytes+want.Len, n+want.Len
	}
	return n, nil
}

// TestManyCases reads goroutines each of which waits for more cases of a select than are
// read of all, or than there are bytes to read.
func TestManyCases(t *testing.T) {
	const sudog = 1 << 20
	l := heapLayouts["1.27"]
	all := make([]*blocked, 1<<14)
	for i := range all {
		all[i] = &blocked{Goroutine: Goroutine{address: 1 << 30, waiting: sudog}}
	}
	for name, test := range map[string]struct {
		bytes uint64
		want  error
	}{
		"cases": {1 << 40, nil},
		"bytes": {10 * sudogSize * uint64(len(all)), errMany},
	} {
		t.Run(name, func(t *testing.T) {
			m := &fixed{fill: func(_ uint64, b []byte) bool {
				binary.LittleEndian.PutUint64(b[sudogG:], 1<<30)
				binary.LittleEndian.PutUint64(b[l.link():], sudog)
				return true
			}}
			waiting, fields := make([]*blocked, len(all)), make([]uint64, len(all))
			for i := range all {
				waiting[i], fields[i] = &blocked{Goroutine: all[i].Goroutine}, l.channel()
			}
			limits := Limits{Bytes: test.bytes, Until: time.Now().Add(time.Hour)}
			s := &scan{marker: newMarker(newReader(m, limits), l, new(heap))}
			last := waiting[len(waiting)-1]
			if err := s.sudogs(waiting, fields); !errors.Is(err, test.want) || err == nil && !last.reached {
				t.Errorf("reached: %t, %v; want %v", last.reached, err, test.want)
			}
			if m.reads > mostAllCases+len(all) || uint64(m.bytes) > test.bytes {
				t.Errorf("%d cases, %d bytes", m.reads, m.bytes)
			}
		})
	}
}

// TestManyModules reads modules all of which have as many variables as one can have.
func TestManyModules(t *testing.T) {
	l := heapLayouts["1.27"]
	for name, test := range map[string]struct {
		next uint64
		want error
	}{
		"different": {1 << 20, errMany},
		"the same":  {0, errNoModule},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 64 << 20
			m := &fixed{fill: func(address uint64, b []byte) bool {
				clear(b)
				for word, value := range map[uint64]uint64{
					wordText: 8, wordText + 1: 16, wordData: 8, wordData + 1: 16, wordBSS: 8, wordBSS + 1: 8 + size,
					l.mask: 1, l.mask + 2: size / 8, l.next: address + test.next,
				} {
					if 8*word+8 <= uint64(len(b)) && len(b) < 1<<12 {
						binary.LittleEndian.PutUint64(b[8*word:], value)
					}
				}
				return true
			}}
			_, err := readVariables(m, 1<<40, l)
			if !errors.Is(err, test.want) || m.bytes > maxVariables/64+1<<20 || test.next == 0 && m.bytes > 2*size/64 {
				t.Errorf("%d bytes read, %v; want %v", m.bytes, err, test.want)
			}
		})
	}
}

// TestMissingSpans reads a long list of spans none of which is there.
func TestMissingSpans(t *testing.T) {
	m := &fixed{fill: func(address uint64, b []byte) bool {
		for i := 0; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], 1<<40)
		}
		if len(b) == 24 {
			copy(b[8:], []byte{0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0})
		}
		return address != 1<<40 || len(b) > spanSize
	}}
	limits := Limits{Until: time.Now().Add(time.Hour)}
	if _, err := newReader(m, limits).readHeap(8); !errors.Is(err, errMissing) || m.reads > 3*maxMissing {
		t.Errorf("%d reads, %v; want %v", m.reads, err, errMissing)
	}
}

// TestManyObjects marks more objects than it may.
func TestManyObjects(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	s.found, s.limits.Objects = nil, 10
	for i := range s.spans {
		for n := range uint64(s.spans[i].objects) {
			s.reach(s.spans[i].object(n).from)
		}
	}
	if len(s.found) > 11 {
		t.Errorf("%d objects are to be looked through", len(s.found))
	}
	if err := s.mark(); !errors.Is(err, errMany) {
		t.Errorf("%v, not %v", err, errMany)
	}
}
