package goroutine

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound what a call of Verify costs.
type Limits struct {
	// Objects is how many objects of the heap a scan marks at most, and Bytes how many
	// bytes of the process's memory it reads.
	Objects int
	Bytes   uint64
	// Until is when to give up.
	Until time.Time
	// Pause is the time between two scans.
	Pause time.Duration
}

var (
	errMany = errors.New("there is too much in its heap")
	errSlow = errors.New("it takes too long")
)

// markRoom is how many bytes are looked through at a time.
const markRoom = 256 << 10

// part is memory that is to be looked through.
type part struct {
	section
	// typed tells that it is an object that begins with the address of its type.
	typed bool
	// mask tells which of its words are pointers, and first is the number in it of the
	// first of them.
	mask  *mask
	first uint64
}

// marker marks what can be reached: all objects of the heap to which there is a pointer,
// or a word that looks like one where it is not known which words are pointers.
type marker struct {
	memory Memory
	layout heapLayout
	*heap
	limits Limits
	queue  []part
	types  map[uint64]*mask // by address
	// waiters is which of the goroutines that wait do so for an object, by its number,
	// and woken those of which it has been reached.
	waiters map[uint32][]*blocked
	woken   []*blocked

	parts  []part // those that are looked through now
	pieces []unix.RemoteIovec
	there  []bool
	buffer []byte
}

func newMarker(m Memory, l heapLayout, h *heap, limits Limits) *marker {
	return &marker{
		memory: m, layout: l, heap: h, limits: limits,
		types: make(map[uint64]*mask), waiters: make(map[uint32][]*blocked),
		there: make([]bool, maxPieces), buffer: make([]byte, markRoom),
	}
}

// add has the words of a part of the memory looked through.
func (m *marker) add(p part) {
	p.to &^= 7
	if p.from%8 == 0 && p.from < p.to {
		m.queue = append(m.queue, p)
	}
}

// addObject has an object looked through.
func (m *marker) addObject(s *span, i uint64) {
	m.add(part{section: s.object(i), typed: s.typed})
}

// reach notes that there is a pointer.
func (m *marker) reach(address uint64) {
	s, i := m.find(address)
	if s == nil {
		return
	}
	number := s.first + uint32(i)
	if !m.mark(number) {
		return
	}
	if waiters := m.waiters[number]; waiters != nil {
		m.woken = append(m.woken, waiters...)
	}
	if s.pointers {
		m.addObject(s, i)
	}
	m.limits.Objects--
}

// skip marks an object without looking at what is in it. It tells whether there is one
// that begins there.
func (m *marker) skip(address uint64) bool {
	s, i := m.find(address)
	if s == nil || s.object(i).from != address {
		return false
	}
	m.mark(s.first + uint32(i))
	return true
}

// drain looks through the memory in the queue, and what it leads to.
func (m *marker) drain() error {
	for len(m.queue) > 0 {
		size := m.take()
		switch {
		case m.limits.Bytes < size || m.limits.Objects < 0:
			return errMany
		case time.Now().After(m.limits.Until):
			return errSlow
		}
		m.limits.Bytes -= size
		if err := gather(m.memory, m.buffer, m.pieces, m.there); err != nil {
			return err
		}
		at := 0
		for i, p := range m.pieces {
			if m.there[i] {
				m.look(&m.parts[i], m.buffer[at:][:p.Len])
			}
			at += p.Len
		}
	}
	return nil
}

// take takes as much from the queue as is looked through at a time. An object with a
// type is not divided: it is smaller.
func (m *marker) take() (size uint64) {
	m.pieces, m.parts = m.pieces[:0], m.parts[:0]
	for len(m.queue) > 0 && len(m.pieces) < maxPieces {
		last := &m.queue[len(m.queue)-1]
		n := min(last.to-last.from, markRoom-size)
		if n == 0 || last.typed && n < last.to-last.from {
			break
		}
		m.pieces = append(m.pieces, piece(last.from, int(n)))
		m.parts = append(m.parts, *last)
		size += n
		last.from, last.first = last.from+n, last.first+n/8
		if last.from == last.to {
			m.queue = m.queue[:len(m.queue)-1]
		}
	}
	return size
}

// look reaches what the pointers in a part of the memory point to.
func (m *marker) look(p *part, b []byte) {
	known := p.mask
	if p.typed && len(b) >= headerSize {
		room := uint64(len(b) - headerSize)
		known, b = m.maskOf(word(b, 0), room), b[headerSize:]
	}
	for i := p.first; len(b) >= 8; i, b = i+1, b[8:] {
		if w := word(b, 0); w-m.low < m.heap.reach && known.has(i) {
			m.reach(w)
		}
	}
}
